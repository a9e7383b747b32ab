-- Repricing appends rows of kind 'adjustment': the difference between what is counted for a call and what the new
-- book says. docs/repricing.md explains them. Nothing that is stored is ever rewritten.
ALTER TABLE usage_events
    -- the event_id of the call that an adjustment belongs to; zero for the call itself
    ADD COLUMN IF NOT EXISTS adjusts UUID CODEC(ZSTD(1)) AFTER kind,
    -- 0 for the call itself, 1 for its first adjustment, and so on
    ADD COLUMN IF NOT EXISTS adjustment UInt16 CODEC(ZSTD(1)) AFTER adjusts;

-- Every repricing: who may append at the moment, and for later, what was asked and with which book. 'asked' is
-- written again with a later deadline while the run goes on; past its newest deadline a run counts as dead.
CREATE TABLE IF NOT EXISTS reprice_runs
(
    run_id UUID,
    happened Enum8('asked' = 1, 'ended' = 2),
    selection String,
    price_version LowCardinality(String),
    deadline DateTime64(3, 'UTC'),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (run_id, happened);

-- Each block of adjustments, written before the block is sent. Whoever reprices next completes one that was begun
-- and not ended: its rows may be in raw and not yet in every rollup.
CREATE TABLE IF NOT EXISTS reprice_blocks
(
    run_id UUID,
    block UInt32,
    happened Enum8('begun' = 1, 'ended' = 2),
    -- its first and last hour of occurred_at
    first_hour DateTime('UTC'),
    last_hour DateTime('UTC'),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (run_id, block, happened);
