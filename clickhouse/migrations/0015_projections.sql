-- Projections: smaller copies of a rollup inside its own parts, which the store reads by itself wherever they are
-- enough. docs/rollups.md says which question reads which, what it gains and what it costs.
--
-- by_org     totals, series and heatmaps over all orgs or some: at most a row an org and
--            quarter, however many calls there were.
-- by_model   over all orgs, by what was called and how it ended. An org's own rows are beside each other anyway.
-- by_task    over all orgs, by who called.
-- by_user    five days at a time, without the feature; planner.py knows this grain.
--
-- needs setting: materialize_projections_on_merge
--
-- An insert writes none of them: its first merge does, and later merges join them. Parts without are read whole, so
-- answers never wait for a merge. 'ignore': rows are only ever added up, so projections of merged rows are those of
-- the rows before, merged. (Other engines drop rows in a merge, and would have to make theirs anew.)

ALTER TABLE usage_daily
    MODIFY SETTING deduplicate_merge_projection_mode = 'ignore', materialize_projections_on_insert = 0,
        materialize_projections_on_merge = 1;

ALTER TABLE usage_daily
    ADD PROJECTION IF NOT EXISTS by_org
    (
        SELECT bucket, org_id, key_source, sum(requests), sum(errors), sum(cost), sum(input_tokens),
            sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(output_tokens),
            sum(input_audio_tokens), sum(output_audio_tokens), sum(characters), sum(audio_seconds), sum(images),
            sum(tool_calls), sum(latency_sum), sum(latency_requests), sum(partial_requests),
            sum(unpriced_requests), sum(input_cost), sum(cache_read_cost), sum(cache_write_cost),
            sum(output_cost), sum(audio_cost), sum(unit_cost), sum(reasoning_tokens), sum(cache_savings),
            sum(cache_unpriced_requests), sum(provider_cost), sum(provider_cost_requests), sum(ttft_sum),
            sum(ttft_requests), min(first_seen), max(last_seen), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, org_id, key_source
    ),
    ADD PROJECTION IF NOT EXISTS by_model
    (
        SELECT bucket, role, feature, action, service, provider, model, key_source, status, error_type,
            sum(requests), sum(errors), sum(cost), sum(input_tokens), sum(cache_read_tokens),
            sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(output_tokens), sum(input_audio_tokens),
            sum(output_audio_tokens), sum(characters), sum(audio_seconds), sum(images), sum(tool_calls),
            sum(latency_sum), sum(latency_requests), sum(partial_requests), sum(unpriced_requests),
            sum(input_cost), sum(cache_read_cost), sum(cache_write_cost), sum(output_cost), sum(audio_cost),
            sum(unit_cost), sum(reasoning_tokens), sum(cache_savings), sum(cache_unpriced_requests),
            sum(provider_cost), sum(provider_cost_requests), sum(ttft_sum), sum(ttft_requests), min(first_seen),
            max(last_seen), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, role, feature, action, service, provider, model, key_source, status, error_type
    ),
    ADD PROJECTION IF NOT EXISTS by_task
    (
        SELECT bucket, agent_id, task_id, configuration_id, key_source, sum(requests), sum(errors), sum(cost),
            sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens),
            sum(output_tokens), sum(input_audio_tokens), sum(output_audio_tokens), sum(characters),
            sum(audio_seconds), sum(images), sum(tool_calls), sum(latency_sum), sum(latency_requests),
            sum(partial_requests), sum(unpriced_requests), max(last_seen), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, agent_id, task_id, configuration_id, key_source
    );

ALTER TABLE usage_daily
    MATERIALIZE PROJECTION IF EXISTS by_org,
    MATERIALIZE PROJECTION IF EXISTS by_model,
    MATERIALIZE PROJECTION IF EXISTS by_task;

ALTER TABLE usage_hourly
    MODIFY SETTING deduplicate_merge_projection_mode = 'ignore', materialize_projections_on_insert = 0,
        materialize_projections_on_merge = 1;

ALTER TABLE usage_hourly
    ADD PROJECTION IF NOT EXISTS by_org
    (
        SELECT bucket, org_id, key_source, sum(requests), sum(errors), sum(cost), sum(input_tokens),
            sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(output_tokens),
            sum(input_audio_tokens), sum(output_audio_tokens), sum(latency_sum), sum(latency_requests),
            sum(cache_savings), sum(cache_unpriced_requests), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, org_id, key_source
    );

ALTER TABLE usage_hourly
    MATERIALIZE PROJECTION IF EXISTS by_org;

ALTER TABLE usage_15m
    MODIFY SETTING deduplicate_merge_projection_mode = 'ignore', materialize_projections_on_insert = 0,
        materialize_projections_on_merge = 1;

ALTER TABLE usage_15m
    ADD PROJECTION IF NOT EXISTS by_org
    (
        SELECT bucket, org_id, key_source, sum(requests), sum(errors), sum(cost), sum(input_tokens),
            sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(output_tokens),
            sum(input_audio_tokens), sum(output_audio_tokens), sum(latency_sum), sum(latency_requests),
            sum(cache_savings), sum(cache_unpriced_requests), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, org_id, key_source
    );

ALTER TABLE usage_15m
    MATERIALIZE PROJECTION IF EXISTS by_org;

ALTER TABLE user_daily
    MODIFY SETTING deduplicate_merge_projection_mode = 'ignore', materialize_projections_on_insert = 0,
        materialize_projections_on_merge = 1;

ALTER TABLE user_daily
    ADD PROJECTION IF NOT EXISTS by_user
    (
        SELECT org_id, user_id, toStartOfInterval(bucket, toIntervalDay(5)), role, class_name, section,
            key_source, sum(requests), sum(errors), sum(cost), sum(input_tokens), sum(cache_read_tokens),
            sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(output_tokens), sum(input_audio_tokens),
            sum(output_audio_tokens), sum(characters), sum(audio_seconds), sum(images), sum(tool_calls),
            sum(latency_sum), sum(latency_requests), sum(partial_requests), sum(unpriced_requests),
            max(last_seen), sumIf(cost, key_source = 'platform')
        GROUP BY org_id, user_id, toStartOfInterval(bucket, toIntervalDay(5)), role, class_name, section,
            key_source
    );

ALTER TABLE user_daily
    MATERIALIZE PROJECTION IF EXISTS by_user;

ALTER TABLE latency_daily
    MODIFY SETTING deduplicate_merge_projection_mode = 'ignore', materialize_projections_on_insert = 0,
        materialize_projections_on_merge = 1;

ALTER TABLE latency_daily
    ADD PROJECTION IF NOT EXISTS by_model
    (
        SELECT bucket, provider, model, latency_bin, sum(latency_requests)
        GROUP BY bucket, provider, model, latency_bin
    );

ALTER TABLE latency_daily
    MATERIALIZE PROJECTION IF EXISTS by_model;

