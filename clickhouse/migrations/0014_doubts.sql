-- A store that was killed may remember a block's token without its rows. docs/exactly-once.md ("A store killed in the
-- middle of an insert") says how such a block is found; this is what is kept of it.

-- By the store's own clock, so that it can be told from the moment at which the store was started.
ALTER TABLE ingest_chunks MODIFY COLUMN written_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC');

-- A chunk whose rows are in raw events, and perhaps not in every rollup: 'raised' by its owner before it is closed,
-- 'settled' when the rollups of its days have been compared with raw events, and made anew where they differed.
CREATE TABLE IF NOT EXISTS ingest_suspect_blocks
(
    suspect_id UUID,
    happened Enum8('raised' = 1, 'settled' = 2),
    topic_id LowCardinality(String),
    topic_partition UInt32,
    start_offset UInt64,
    end_offset UInt64,
    -- UTC days of its events
    days Array(Date),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (suspect_id, happened)
TTL toDateTime(at) + INTERVAL 400 DAY;
