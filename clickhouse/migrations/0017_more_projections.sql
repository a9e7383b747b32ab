-- Smaller projections than those of 0015, for what asks of all orgs, and others for what asks of people.
-- docs/rollups.md says which question reads which, what it gains and what it costs.
--
-- by_outcome     over all orgs, by model and how the call ended: totals, models, errors, caches.
-- by_feature     over all orgs, by what was used; by_model of 0015 is for questions that name a model besides.
-- by_time        of hours and quarters: heatmaps, days of other zones. by_model and by_feature of them are for the ends of
--                windows, for a rollup has an org's hours together and one hour of all orgs everywhere.
-- by_person      five days at a time, in the order of time: who used most.
-- by_day         the same by the day, for the days of a window that are no five.
-- by_class(_day)    classes and sections, and how many users they, the roles and the orgs have.
-- by_feature(_day)  how many users a feature has. A state is of thousands of users, so eight make a granule.
--
-- needs setting: materialize_projections_on_merge
--
-- How many users: a state of uniqExact a row, and states of different days are joined. A sum over a month's rows of
-- each person and feature took ten times as long.
--
-- One person's rows lie in one place, and small blocks let them be read alone.

ALTER TABLE usage_daily
    ADD PROJECTION IF NOT EXISTS by_outcome
    (
        SELECT bucket, provider, model, status, error_type, key_source, sum(requests), sum(errors), sum(cost),
            sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens),
            sum(output_tokens), sum(input_audio_tokens), sum(output_audio_tokens), sum(characters),
            sum(audio_seconds), sum(images), sum(tool_calls), sum(latency_sum), sum(latency_requests),
            sum(partial_requests), sum(unpriced_requests), max(last_seen), sum(input_cost),
            sum(cache_read_cost), sum(cache_write_cost), sum(output_cost), sum(audio_cost), sum(unit_cost),
            sum(reasoning_tokens), sum(cache_savings), sum(cache_unpriced_requests), sum(provider_cost),
            sum(provider_cost_requests), sum(ttft_sum), sum(ttft_requests), min(first_seen), sumIf(cost,
            key_source = 'platform')
        GROUP BY bucket, provider, model, status, error_type, key_source
    ),
    ADD PROJECTION IF NOT EXISTS by_feature
    (
        SELECT bucket, role, feature, action, service, key_source, sum(requests), sum(errors), sum(cost),
            sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens),
            sum(output_tokens), sum(input_audio_tokens), sum(output_audio_tokens), sum(characters),
            sum(audio_seconds), sum(images), sum(tool_calls), sum(latency_sum), sum(latency_requests),
            sum(partial_requests), sum(unpriced_requests), max(last_seen), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, role, feature, action, service, key_source
    );

ALTER TABLE usage_daily
    MATERIALIZE PROJECTION IF EXISTS by_outcome,
    MATERIALIZE PROJECTION IF EXISTS by_feature;

ALTER TABLE usage_hourly
    ADD PROJECTION IF NOT EXISTS by_time
    (
        SELECT bucket, key_source, sum(requests), sum(errors), sum(cost), sum(input_tokens),
            sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(output_tokens),
            sum(input_audio_tokens), sum(output_audio_tokens), sum(latency_sum), sum(latency_requests),
            sum(cache_savings), sum(cache_unpriced_requests), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, key_source
    ),
    ADD PROJECTION IF NOT EXISTS by_model
    (
        SELECT bucket, provider, model, key_source, sum(requests), sum(errors), sum(cost), sum(input_tokens),
            sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(output_tokens),
            sum(input_audio_tokens), sum(output_audio_tokens), sum(characters), sum(audio_seconds), sum(images),
            sum(tool_calls), sum(latency_sum), sum(latency_requests), sum(partial_requests),
            sum(unpriced_requests), max(last_seen), sum(input_cost), sum(cache_read_cost),
            sum(cache_write_cost), sum(output_cost), sum(audio_cost), sum(unit_cost), sum(reasoning_tokens),
            sum(cache_savings), sum(cache_unpriced_requests), sum(provider_cost), sum(provider_cost_requests),
            sum(ttft_sum), sum(ttft_requests), min(first_seen), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, provider, model, key_source
    ),
    ADD PROJECTION IF NOT EXISTS by_feature
    (
        SELECT bucket, role, feature, action, service, key_source, sum(requests), sum(errors), sum(cost),
            sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens),
            sum(output_tokens), sum(input_audio_tokens), sum(output_audio_tokens), sum(characters),
            sum(audio_seconds), sum(images), sum(tool_calls), sum(latency_sum), sum(latency_requests),
            sum(partial_requests), sum(unpriced_requests), max(last_seen), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, role, feature, action, service, key_source
    );

ALTER TABLE usage_hourly
    MATERIALIZE PROJECTION IF EXISTS by_time,
    MATERIALIZE PROJECTION IF EXISTS by_model,
    MATERIALIZE PROJECTION IF EXISTS by_feature;

ALTER TABLE usage_15m
    ADD PROJECTION IF NOT EXISTS by_time
    (
        SELECT bucket, key_source, sum(requests), sum(errors), sum(cost), sum(input_tokens),
            sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(output_tokens),
            sum(input_audio_tokens), sum(output_audio_tokens), sum(latency_sum), sum(latency_requests),
            sum(cache_savings), sum(cache_unpriced_requests), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, key_source
    ),
    ADD PROJECTION IF NOT EXISTS by_model
    (
        SELECT bucket, provider, model, key_source, sum(requests), sum(errors), sum(cost), sum(input_tokens),
            sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(output_tokens),
            sum(input_audio_tokens), sum(output_audio_tokens), sum(characters), sum(audio_seconds), sum(images),
            sum(tool_calls), sum(latency_sum), sum(latency_requests), sum(partial_requests),
            sum(unpriced_requests), max(last_seen), sum(input_cost), sum(cache_read_cost),
            sum(cache_write_cost), sum(output_cost), sum(audio_cost), sum(unit_cost), sum(reasoning_tokens),
            sum(cache_savings), sum(cache_unpriced_requests), sum(provider_cost), sum(provider_cost_requests),
            sum(ttft_sum), sum(ttft_requests), min(first_seen), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, provider, model, key_source
    ),
    ADD PROJECTION IF NOT EXISTS by_feature
    (
        SELECT bucket, role, feature, action, service, key_source, sum(requests), sum(errors), sum(cost),
            sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens),
            sum(output_tokens), sum(input_audio_tokens), sum(output_audio_tokens), sum(characters),
            sum(audio_seconds), sum(images), sum(tool_calls), sum(latency_sum), sum(latency_requests),
            sum(partial_requests), sum(unpriced_requests), max(last_seen), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, role, feature, action, service, key_source
    );

ALTER TABLE usage_15m
    MATERIALIZE PROJECTION IF EXISTS by_time,
    MATERIALIZE PROJECTION IF EXISTS by_model,
    MATERIALIZE PROJECTION IF EXISTS by_feature;

ALTER TABLE user_daily MODIFY SETTING min_compress_block_size = 4096;

ALTER TABLE user_daily DROP PROJECTION IF EXISTS by_user;

ALTER TABLE user_daily
    ADD PROJECTION IF NOT EXISTS by_person
    (
        SELECT five_days, org_id, user_id, role, class_name, section, key_source, sum(requests), sum(errors),
            sum(cost), sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens),
            sum(cache_write_1h_tokens), sum(output_tokens), sum(input_audio_tokens), sum(output_audio_tokens),
            sum(characters), sum(audio_seconds), sum(images), sum(tool_calls), sum(latency_sum),
            sum(latency_requests), sum(partial_requests), sum(unpriced_requests), max(last_seen), sumIf(cost,
            key_source = 'platform')
        GROUP BY five_days, org_id, user_id, role, class_name, section, key_source
    ),
    ADD PROJECTION IF NOT EXISTS by_day
    (
        SELECT bucket, org_id, user_id, role, class_name, section, key_source, sum(requests), sum(errors),
            sum(cost), sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens),
            sum(cache_write_1h_tokens), sum(output_tokens), sum(input_audio_tokens), sum(output_audio_tokens)
        GROUP BY bucket, org_id, user_id, role, class_name, section, key_source
    ),
    ADD PROJECTION IF NOT EXISTS by_class
    (
        SELECT five_days, org_id, role, class_name, section, key_source, sum(requests), sum(errors), sum(cost),
            sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens),
            sum(output_tokens), sum(input_audio_tokens), sum(output_audio_tokens), sum(characters),
            sum(audio_seconds), sum(images), sum(tool_calls), sum(latency_sum), sum(latency_requests),
            sum(partial_requests), sum(unpriced_requests), max(last_seen), uniqExactIfState(org_id, user_id,
            (requests > 0) AND (user_id != 'system')), sumIf(cost, key_source = 'platform')
        GROUP BY five_days, org_id, role, class_name, section, key_source
    ),
    ADD PROJECTION IF NOT EXISTS by_class_day
    (
        SELECT bucket, org_id, role, class_name, section, key_source, sum(requests), sum(errors), sum(cost),
            sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens),
            sum(output_tokens), sum(input_audio_tokens), sum(output_audio_tokens), sum(characters),
            sum(audio_seconds), sum(images), sum(tool_calls), sum(latency_sum), sum(latency_requests),
            sum(partial_requests), sum(unpriced_requests), max(last_seen), uniqExactIfState(org_id, user_id,
            (requests > 0) AND (user_id != 'system')), sumIf(cost, key_source = 'platform')
        GROUP BY bucket, org_id, role, class_name, section, key_source
    ),
    ADD PROJECTION IF NOT EXISTS by_feature
    (
        SELECT five_days, feature, role, key_source, uniqExactIfState(org_id, user_id, (requests > 0) AND
            (user_id != 'system'))
        GROUP BY five_days, feature, role, key_source
    ) WITH SETTINGS (index_granularity = 8),
    ADD PROJECTION IF NOT EXISTS by_feature_day
    (
        SELECT bucket, feature, role, key_source, uniqExactIfState(org_id, user_id, (requests > 0) AND (user_id
            != 'system'))
        GROUP BY bucket, feature, role, key_source
    ) WITH SETTINGS (index_granularity = 8);

ALTER TABLE user_daily
    MATERIALIZE PROJECTION IF EXISTS by_person,
    MATERIALIZE PROJECTION IF EXISTS by_day,
    MATERIALIZE PROJECTION IF EXISTS by_class,
    MATERIALIZE PROJECTION IF EXISTS by_class_day,
    MATERIALIZE PROJECTION IF EXISTS by_feature,
    MATERIALIZE PROJECTION IF EXISTS by_feature_day;
