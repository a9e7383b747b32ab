-- What recovery needs to know of a chunk whose owner is gone: its days, when its records were validated, and which
-- chunks of former topic epochs have been looked at. docs/exactly-once.md argues why it is enough.

ALTER TABLE ingest_chunks
    -- UTC days of the chunk's events, so that rows that reached only a rollup are found, too
    ADD COLUMN IF NOT EXISTS days Array(Date),
    -- the worker's clock when the chunk was first validated; a recovery validates with it again
    ADD COLUMN IF NOT EXISTS decided_at DateTime64(3, 'UTC') DEFAULT written_at;

-- Partitions of former topic epochs, up to which chunk their days were handed to reconciliation. Kept for longer than
-- the intents, or an intent would be examined twice.
CREATE TABLE IF NOT EXISTS ingest_examined
(
    topic_id LowCardinality(String),
    topic_partition UInt32,
    start_offset UInt64,
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (topic_id, topic_partition)
TTL toDateTime(at) + INTERVAL 60 DAY;

-- The consumer group that fills this store. The newest takeover is in force, and of its rows the first attempt. Each
-- row is inserted under a deduplication token of (takeover, attempt), so that only one group can write it.
CREATE TABLE IF NOT EXISTS ingest_groups
(
    takeover UInt32,
    attempt UInt16,
    consumer_group String,
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (takeover, attempt)
SETTINGS non_replicated_deduplication_window = 1000;

-- Copies of a call that were stored under other coordinates than the call itself, and removed from raw events.
CREATE TABLE IF NOT EXISTS ingest_surplus
(
    event_id UUID,
    org_id LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    topic_id LowCardinality(String),
    topic_partition UInt32,
    topic_offset UInt64,
    ingested_at DateTime64(3, 'UTC'),
    -- the coordinates of the copy that stays
    kept_incarnation LowCardinality(String),
    kept_partition UInt32,
    kept_offset UInt64,
    removed_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (occurred_at, event_id);

-- Up to which `ingested_at` events were searched for such copies.
CREATE TABLE IF NOT EXISTS ingest_surplus_looks
(
    until DateTime64(3, 'UTC'),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY until
TTL toDateTime(at) + INTERVAL 400 DAY;
