-- The worker's own memory, kept beside the data it guards.

-- Each chunk's exact range, written before its events are. Whoever owns the partition next replays an open one.
CREATE TABLE IF NOT EXISTS ingest_chunks
(
    incarnation String,
    topic_partition UInt32,
    start_offset UInt64,
    end_offset UInt64,
    written_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (incarnation, topic_partition, start_offset)
TTL toDateTime(written_at) + INTERVAL 30 DAY;

-- Marks the life of a topic on a broker that gives topics no id of their own.
CREATE TABLE IF NOT EXISTS topic_incarnations
(
    topic String,
    incarnation String,
    broker String,
    seen_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(seen_at)
ORDER BY (topic, incarnation);
