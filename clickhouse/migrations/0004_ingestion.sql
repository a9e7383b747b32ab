-- Ingestion state, stored beside the events it protects. docs/exactly-once.md describes the protocol, docs/verify.md the
-- ingest barrier.
--
-- Ledgers (one row per state change) grow with history and expire by TTL. What workers poll is kept by materialized
-- views in small tables: an open item has a balance of 1, its end adds -1, and a merge removes rows that add up to 0.

-- Intents: the exact range of each chunk, written before its events. The partition's next owner recovers an open one.
-- Of two ranges with the same start, the one of the later consumer group generation is valid: Kafka rejected the
-- other one's commit.
CREATE TABLE IF NOT EXISTS ingest_chunks
(
    topic_id LowCardinality(String),
    topic_partition UInt32,
    start_offset UInt64,
    -- exclusive
    end_offset UInt64,
    generation Int32,
    -- by the server's clock, because it is compared with the time at which the server started
    written_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    -- UTC days of the chunk's events, so that recovery also finds rows that reached only a rollup
    days Array(Date),
    -- the worker's clock at the first validation of the chunk; recovery validates with the same time
    decided_at DateTime64(3, 'UTC') DEFAULT written_at
)
ENGINE = MergeTree
ORDER BY (topic_id, topic_partition, start_offset)
TTL toDateTime(written_at) + INTERVAL 30 DAY;

-- The newest intent of each partition and topic id: the one with the highest start, by the newest generation. No TTL:
-- the open chunk of a former topic id must outlive its row in ingest_chunks.
CREATE TABLE IF NOT EXISTS ingest_newest_chunks
(
    topic_id LowCardinality(String),
    topic_partition UInt32,
    newest SimpleAggregateFunction(max, Tuple(
        start_offset UInt64, generation Int32, written_at DateTime64(3, 'UTC'), end_offset UInt64)),
    -- time of the partition's last intent, whatever its start
    last_written_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (topic_id, topic_partition);

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_newest_chunks_view TO ingest_newest_chunks AS
SELECT topic_id, topic_partition, max((start_offset, generation, written_at, end_offset)) AS newest,
    max(written_at) AS last_written_at
FROM ingest_chunks
GROUP BY topic_id, topic_partition;

-- Progress of chunk recovery in partitions of former topic ids: the days of chunks up to start_offset are flagged for
-- reconciliation. Kept longer than intents, or an intent would be processed twice.
CREATE TABLE IF NOT EXISTS ingest_orphan_checkpoints
(
    topic_id LowCardinality(String),
    topic_partition UInt32,
    start_offset UInt64,
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (topic_id, topic_partition)
TTL toDateTime(at) + INTERVAL 60 DAY;

-- The consumer group that fills this store: the first attempt of the newest takeover. Each row is inserted with the
-- deduplication token (takeover, attempt), so that only one group can write it.
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

-- Ingest barriers: 'requested' by a command, 'released' when it is done. Any worker releases one past its deadline.
CREATE TABLE IF NOT EXISTS ingest_barriers
(
    barrier_id UUID,
    state Enum8('requested' = 1, 'released' = 2),
    reason LowCardinality(String),
    deadline DateTime64(3, 'UTC'),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (barrier_id, state)
TTL toDateTime(at) + INTERVAL 30 DAY;

-- Barriers that are not released. The barrier with the zero id counts all barriers ever requested.
CREATE TABLE IF NOT EXISTS ingest_open_barriers
(
    barrier_id UUID,
    balance Int64,
    deadline DateTime64(3, 'UTC')
)
ENGINE = SummingMergeTree(balance)
ORDER BY barrier_id;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_open_barriers_view TO ingest_open_barriers AS
SELECT change.1 AS barrier_id, change.2 AS balance, deadline
FROM ingest_barriers AS barrier
ARRAY JOIN if(state = 'requested',
    [(barrier.barrier_id, toInt64(1)), (toUUID('00000000-0000-0000-0000-000000000000'), toInt64(1))],
    [(barrier.barrier_id, toInt64(-1))]) AS change;

-- Chunks paused at a barrier: their intent is written, none of their rows were sent.
CREATE TABLE IF NOT EXISTS ingest_paused_chunks
(
    barrier_id UUID,
    topic_id LowCardinality(String),
    topic_partition UInt32,
    start_offset UInt64,
    generation Int32,
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (barrier_id, topic_id, topic_partition)
TTL toDateTime(at) + INTERVAL 30 DAY;

-- Suspect blocks: their rows are in raw events, but perhaps not in every rollup. 'flagged' by the chunk's owner before
-- it closes the chunk, 'reconciled' when the rollups of their days match raw events, rebuilt where they differed.
CREATE TABLE IF NOT EXISTS ingest_suspect_blocks
(
    suspect_id UUID,
    state Enum8('flagged' = 1, 'reconciled' = 2),
    -- deduplication token of the block, or what else changed raw events on these days, e.g. 'surplus'
    block String,
    -- UTC days of the block's events
    days Array(Date),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (suspect_id, state)
TTL toDateTime(at) + INTERVAL 400 DAY;

-- Suspect blocks that are not reconciled.
CREATE TABLE IF NOT EXISTS ingest_open_suspects
(
    suspect_id UUID,
    balance Int64,
    days Array(Date)
)
ENGINE = SummingMergeTree(balance)
ORDER BY suspect_id;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_open_suspects_view TO ingest_open_suspects AS
SELECT suspect_id, if(state = 'flagged', toInt64(1), toInt64(-1)) AS balance, days
FROM ingest_suspect_blocks;

-- Duplicates of a call, stored under other coordinates and removed from raw events.
CREATE TABLE IF NOT EXISTS ingest_surplus
(
    event_id UUID,
    org_id LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    topic_id LowCardinality(String),
    topic_partition UInt32,
    topic_offset UInt64,
    ingested_at DateTime64(3, 'UTC'),
    -- coordinates of the remaining row
    kept_topic_id LowCardinality(String),
    kept_partition UInt32,
    kept_offset UInt64,
    removed_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (occurred_at, event_id);

-- Searches for duplicates: events with `ingested_at` up to `until` were searched.
CREATE TABLE IF NOT EXISTS ingest_surplus_scans
(
    until DateTime64(3, 'UTC'),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY until
TTL toDateTime(at) + INTERVAL 400 DAY;

-- Drift checks of closed days by the leading worker: the day's totals at the time, and the number of differences. The
-- next leader continues from these rows.
CREATE TABLE IF NOT EXISTS ingest_compared_days
(
    day Date,
    totals String,
    differing UInt64,
    compared_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (day, compared_at)
TTL toDateTime(compared_at) + INTERVAL 30 DAY;

-- Watermark of raw events: the first UTC day whose raw events are complete. Rollups of earlier days can be neither
-- compared nor rebuilt. The newest row counts.
CREATE TABLE IF NOT EXISTS ingest_raw_watermarks
(
    raw_kept_from Date,
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY at;
