-- Barriers of the ingest, and who keeps them. stream/spendmeter_stream/barrier/barrier.py asks, gate.py obeys; docs/verify.md
-- argues why nothing can be in flight once every partition is closed or held.
--
-- A pause begins with a row 'asked' and is over with a row 'ended'. Past `deadline` any worker may end it.
CREATE TABLE IF NOT EXISTS ingest_barriers
(
    barrier_id UUID,
    happened Enum8('asked' = 1, 'ended' = 2),
    reason LowCardinality(String),
    deadline DateTime64(3, 'UTC'),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (barrier_id, happened)
TTL toDateTime(at) + INTERVAL 30 DAY;

-- The owner of a partition waits with this chunk: its intent is written, nothing of it was ever sent.
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
