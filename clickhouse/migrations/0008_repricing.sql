-- Repricing: rows of kind 'adjustment' in usage_events carry the difference between the recorded cost and the cost under
-- a new price book. Stored rows are never rewritten. docs/repricing.md describes the procedure.

-- Runs and their leases. A run renews its lease by another row 'leased' with a later deadline; past its newest deadline
-- it counts as dead. `selection` and `price_version` record what was repriced, with which book.
CREATE TABLE IF NOT EXISTS reprice_runs
(
    run_id UUID,
    state Enum8('leased' = 1, 'released' = 2),
    selection String,
    price_version LowCardinality(String),
    deadline DateTime64(3, 'UTC'),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),

    -- A run adds a row for each block, so live leases are found by their deadline.
    INDEX deadline_index deadline TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (run_id, state);

-- Blocks of adjustments: 'started' before the block is inserted, 'completed' after. The next repricing completes a
-- started block, because its rows may be in raw events and missing from a rollup.
CREATE TABLE IF NOT EXISTS reprice_blocks
(
    run_id UUID,
    block UInt32,
    state Enum8('started' = 1, 'completed' = 2),
    -- first and last hour of the block's occurred_at
    first_hour DateTime('UTC'),
    last_hour DateTime('UTC'),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (run_id, block, state);

-- Blocks that are not completed. A started block has a balance of 1, its completion adds -1, and a merge removes both.
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
SELECT run_id, block, if(state = 'started', toInt64(1), toInt64(-1)) AS balance, first_hour, last_hour, at
FROM reprice_blocks;
