-- Totals of each rollup by bucket, for the leader's drift watch: at most 96 rows a day and part, instead of every user's
-- and every model's. Written by merges, as the others are (0015).
--
-- needs setting: materialize_projections_on_merge

ALTER TABLE usage_15m
    MODIFY SETTING deduplicate_merge_projection_mode = 'ignore', materialize_projections_on_insert = 0,
        materialize_projections_on_merge = 1;

ALTER TABLE usage_15m
    ADD PROJECTION IF NOT EXISTS totals (SELECT bucket, sum(requests), sum(cost) GROUP BY bucket);

ALTER TABLE usage_15m MATERIALIZE PROJECTION IF EXISTS totals;

ALTER TABLE usage_hourly
    MODIFY SETTING deduplicate_merge_projection_mode = 'ignore', materialize_projections_on_insert = 0,
        materialize_projections_on_merge = 1;

ALTER TABLE usage_hourly
    ADD PROJECTION IF NOT EXISTS totals (SELECT bucket, sum(requests), sum(cost) GROUP BY bucket);

ALTER TABLE usage_hourly MATERIALIZE PROJECTION IF EXISTS totals;

ALTER TABLE usage_daily
    MODIFY SETTING deduplicate_merge_projection_mode = 'ignore', materialize_projections_on_insert = 0,
        materialize_projections_on_merge = 1;

ALTER TABLE usage_daily
    ADD PROJECTION IF NOT EXISTS totals (SELECT bucket, sum(requests), sum(cost) GROUP BY bucket);

ALTER TABLE usage_daily MATERIALIZE PROJECTION IF EXISTS totals;

ALTER TABLE user_daily
    MODIFY SETTING deduplicate_merge_projection_mode = 'ignore', materialize_projections_on_insert = 0,
        materialize_projections_on_merge = 1;

ALTER TABLE user_daily
    ADD PROJECTION IF NOT EXISTS totals (SELECT bucket, sum(requests), sum(cost) GROUP BY bucket);

ALTER TABLE user_daily MATERIALIZE PROJECTION IF EXISTS totals;

ALTER TABLE latency_daily
    MODIFY SETTING deduplicate_merge_projection_mode = 'ignore', materialize_projections_on_insert = 0,
        materialize_projections_on_merge = 1;

ALTER TABLE latency_daily
    ADD PROJECTION IF NOT EXISTS totals (SELECT bucket, sum(latency_requests) GROUP BY bucket);

ALTER TABLE latency_daily MATERIALIZE PROJECTION IF EXISTS totals;
