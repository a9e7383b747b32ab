-- What self-checks of closed days need, without reading their events.

-- Each part of raw events keeps its totals by UTC day. So how many events a day has, and whether they changed, costs a few
-- rows a part; late events, adjustments, rows put back and rows deleted are all in it.
ALTER TABLE usage_events MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE usage_events
    ADD PROJECTION IF NOT EXISTS by_day
    (
        SELECT toDate(occurred_at), count(), sum(requests), sum(cost), sum(cityHash64(event_id))
        GROUP BY toDate(occurred_at)
    );

ALTER TABLE usage_events MATERIALIZE PROJECTION IF EXISTS by_day;

-- When the leading worker last compared a day, what its totals were then, and how many differences it found. Every
-- leader goes on from the same rows.
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

-- The first UTC day of which raw events are kept whole. Rollups of days before it can be neither compared nor rebuilt. The
-- newest row counts.
CREATE TABLE IF NOT EXISTS ingest_raw_watermarks
(
    raw_kept_from Date,
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY at;
