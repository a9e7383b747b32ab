-- The start of the five days, counted from 1970, that a row of user_daily is of: what projections add people up by.
-- A column, because a condition on what is computed from the bucket was tried on every granule of the table before a
-- projection was chosen, which took longer than to read it.

ALTER TABLE user_daily
    ADD COLUMN IF NOT EXISTS five_days DateTime('UTC') MATERIALIZED toStartOfInterval(bucket, toIntervalDay(5))
        CODEC(DoubleDelta, ZSTD(1));

-- For parts without a projection, of which those of other months need not be read.
ALTER TABLE user_daily
    ADD INDEX IF NOT EXISTS five_days_of_part five_days TYPE minmax GRANULARITY 1000;
