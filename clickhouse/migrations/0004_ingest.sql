-- The worker's own memory, kept beside the data that it guards.

-- Each chunk's exact range, written before its events are. Whoever owns the partition next replays an open one.
-- Two owners may have written a range from the same start: the later generation of the consumer group is right,
-- because Kafka refused the other's commit.
CREATE TABLE IF NOT EXISTS ingest_chunks
(
    topic_id LowCardinality(String),
    topic_partition UInt32,
    start_offset UInt64,
    -- exclusive
    end_offset UInt64,
    generation Int32,
    written_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (topic_id, topic_partition, start_offset)
TTL toDateTime(written_at) + INTERVAL 30 DAY;
