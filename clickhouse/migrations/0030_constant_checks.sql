-- What workers and commands ask in a loop, in tables that do not grow with history. Views keep them; the ledgers stay as
-- they are, for people to read.

-- The newest chunk that was begun of each partition, in each life of the topic: of the highest start, what the newest
-- generation wrote. It outlives the ledger, so that the open chunk of a former life is never forgotten.
CREATE TABLE IF NOT EXISTS ingest_newest_chunks
(
    topic_id LowCardinality(String),
    topic_partition UInt32,
    newest SimpleAggregateFunction(max, Tuple(
        start_offset UInt64, generation Int32, written_at DateTime64(3, 'UTC'), end_offset UInt64)),
    -- when the last intent of the partition was written, whichever it is
    last_written_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (topic_id, topic_partition);

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_newest_chunks_view TO ingest_newest_chunks AS
SELECT topic_id, topic_partition, max((start_offset, generation, written_at, end_offset)) AS newest,
    max(written_at) AS last_written_at
FROM ingest_chunks
GROUP BY topic_id, topic_partition;

INSERT INTO ingest_newest_chunks
SELECT topic_id, topic_partition, max((start_offset, generation, written_at, end_offset)), max(written_at)
FROM ingest_chunks
GROUP BY topic_id, topic_partition;

-- Barriers that are not over: 1 for each that was asked, -1 when it ends. A merge removes what adds up to 0. The pause of
-- id 0 counts all that were ever asked.
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
FROM ingest_barriers AS pause
ARRAY JOIN if(happened = 'asked',
    [(pause.barrier_id, toInt64(1)), (toUUID('00000000-0000-0000-0000-000000000000'), toInt64(1))],
    [(pause.barrier_id, toInt64(-1))]) AS change;

INSERT INTO ingest_open_barriers
SELECT barrier_id, 1, max(deadline)
FROM ingest_barriers
WHERE barrier_id NOT IN (SELECT barrier_id FROM ingest_open_barriers)
GROUP BY barrier_id
HAVING countIf(happened = 'ended') = 0;

-- Doubts that nobody has settled, counted in the same way.
CREATE TABLE IF NOT EXISTS ingest_open_suspects
(
    suspect_id UUID,
    balance Int64,
    days Array(Date)
)
ENGINE = SummingMergeTree(balance)
ORDER BY suspect_id;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_open_suspects_view TO ingest_open_suspects AS
SELECT suspect_id, if(happened = 'raised', toInt64(1), toInt64(-1)) AS balance, days
FROM ingest_suspect_blocks;

INSERT INTO ingest_open_suspects
SELECT suspect_id, 1, groupUniqArrayArray(days)
FROM ingest_suspect_blocks
WHERE suspect_id NOT IN (SELECT suspect_id FROM ingest_open_suspects)
GROUP BY suspect_id
HAVING countIf(happened = 'settled') = 0;

-- Blocks of adjustments that were begun and not ended.
CREATE TABLE IF NOT EXISTS reprice_open_blocks
(
    run_id UUID,
    block UInt32,
    balance Int64,
    first_hour DateTime('UTC'),
    last_hour DateTime('UTC'),
    at DateTime64(3, 'UTC')
)
ENGINE = SummingMergeTree(balance)
ORDER BY (run_id, block);

CREATE MATERIALIZED VIEW IF NOT EXISTS reprice_open_blocks_view TO reprice_open_blocks AS
SELECT run_id, block, if(happened = 'begun', toInt64(1), toInt64(-1)) AS balance, first_hour, last_hour, at
FROM reprice_blocks;

INSERT INTO reprice_open_blocks
SELECT run_id, block, 1, min(first_hour), max(last_hour), min(at)
FROM reprice_blocks
WHERE (run_id, block) NOT IN (SELECT run_id, block FROM reprice_open_blocks)
GROUP BY run_id, block
HAVING countIf(happened = 'ended') = 0;

-- A run renews its lease for each block, so live leases are looked for by their deadlines.
ALTER TABLE reprice_runs ADD INDEX IF NOT EXISTS deadline_index deadline TYPE minmax GRANULARITY 1;
