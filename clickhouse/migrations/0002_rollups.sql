-- Rollups: each is filled by a materialized view from every insert into usage_events, and every measure adds up.
-- docs/rollups.md gives the measurements behind these five. Columns, keys and views are those of
-- clickhouse/spendmeter_clickhouse/catalogue.py; `make schema` writes them here.
--
-- usage_15m, usage_hourly, usage_daily   every dimension except the user, at three grains
-- user_daily                             the user with class and section, the feature, and the key source
-- latency_daily                          a histogram of latencies
--
-- Queries that no rollup answers (models of one user, part of a UTC day of a class) read usage_events.
--
-- Each table remembers the insert tokens of the last 10,000 blocks, so a retried chunk is not added twice.

-- Sums by quarter of an hour. Whole UTC hours cannot add up to a day in a zone at +5:30 or +5:45.
CREATE TABLE IF NOT EXISTS usage_15m
(
    bucket DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    org_id LowCardinality(String),
    role LowCardinality(String),
    feature LowCardinality(String),
    action LowCardinality(String),
    agent_id LowCardinality(String),
    task_id LowCardinality(String),
    configuration_id LowCardinality(String),
    service LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    key_source LowCardinality(String),
    status LowCardinality(String),
    error_type LowCardinality(String),
    requests SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    input_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    cache_read_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    cache_write_5m_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    cache_write_1h_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    output_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    input_audio_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    cache_read_audio_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    output_audio_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    input_image_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    cache_read_image_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    output_image_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    characters SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    audio_seconds SimpleAggregateFunction(sum, Decimal(38, 3)) CODEC(ZSTD(1)),
    images SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    video_seconds SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    tool_calls SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    reasoning_tokens SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    input_cost SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1)),
    cache_read_cost SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1)),
    cache_write_cost SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1)),
    output_cost SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1)),
    audio_cost SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1)),
    unit_cost SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1)),
    cost SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1)),
    cache_savings SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1)),
    provider_cost SimpleAggregateFunction(sum, Decimal(38, 12)) CODEC(ZSTD(1)),
    provider_cost_requests SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    errors SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    partial_requests SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    unpriced_requests SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    cache_unpriced_requests SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD(1)),
    latency_sum SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    latency_requests SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    ttft_sum SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    ttft_requests SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(bucket)
ORDER BY (org_id, bucket, feature, provider, model, role, action, agent_id, task_id, configuration_id, service,
    key_source, status, error_type)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_15m_view TO usage_15m AS
SELECT
    toStartOfFifteenMinutes(event.occurred_at) AS bucket,
    org_id,
    role,
    feature,
    action,
    agent_id,
    task_id,
    configuration_id,
    service,
    provider,
    model,
    key_source,
    status,
    error_type,
    sum(event.requests) AS requests,
    sum(event.input_tokens) AS input_tokens,
    sum(event.cache_read_tokens) AS cache_read_tokens,
    sum(event.cache_write_5m_tokens) AS cache_write_5m_tokens,
    sum(event.cache_write_1h_tokens) AS cache_write_1h_tokens,
    sum(event.output_tokens) AS output_tokens,
    sum(event.input_audio_tokens) AS input_audio_tokens,
    sum(event.cache_read_audio_tokens) AS cache_read_audio_tokens,
    sum(event.output_audio_tokens) AS output_audio_tokens,
    sum(event.input_image_tokens) AS input_image_tokens,
    sum(event.cache_read_image_tokens) AS cache_read_image_tokens,
    sum(event.output_image_tokens) AS output_image_tokens,
    sum(event.characters) AS characters,
    sum(event.audio_seconds) AS audio_seconds,
    sum(event.images) AS images,
    sum(event.video_seconds) AS video_seconds,
    sum(event.tool_calls) AS tool_calls,
    sum(event.reasoning_tokens) AS reasoning_tokens,
    sum(event.input_cost) AS input_cost,
    sum(event.cache_read_cost) AS cache_read_cost,
    sum(event.cache_write_cost) AS cache_write_cost,
    sum(event.output_cost) AS output_cost,
    sum(event.audio_cost) AS audio_cost,
    sum(event.unit_cost) AS unit_cost,
    sum(event.cost) AS cost,
    sum(event.cache_savings) AS cache_savings,
    sum(ifNull(event.provider_cost, toDecimal128(0, 12))) AS provider_cost,
    countIf(event.provider_cost IS NOT NULL) AS provider_cost_requests,
    sumIf(event.requests, event.status = 'error') AS errors,
    sum(event.partial_requests) AS partial_requests,
    sum(event.unpriced_requests) AS unpriced_requests,
    sum(event.cache_unpriced_requests) AS cache_unpriced_requests,
    sum(toUInt64(ifNull(event.latency_ms, 0))) AS latency_sum,
    countIf(event.latency_ms IS NOT NULL) AS latency_requests,
    sum(toUInt64(ifNull(event.ttft_ms, 0))) AS ttft_sum,
    countIf(event.ttft_ms IS NOT NULL) AS ttft_requests,
    min(event.occurred_at) AS first_seen,
    max(event.occurred_at) AS last_seen
FROM usage_events AS event
GROUP BY bucket, org_id, role, feature, action, agent_id, task_id, configuration_id, service, provider, model,
    key_source, status, error_type;

-- The same sums by hour.
CREATE TABLE IF NOT EXISTS usage_hourly AS usage_15m;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_hourly_view TO usage_hourly AS
SELECT
    toStartOfHour(event.occurred_at) AS bucket,
    org_id,
    role,
    feature,
    action,
    agent_id,
    task_id,
    configuration_id,
    service,
    provider,
    model,
    key_source,
    status,
    error_type,
    sum(event.requests) AS requests,
    sum(event.input_tokens) AS input_tokens,
    sum(event.cache_read_tokens) AS cache_read_tokens,
    sum(event.cache_write_5m_tokens) AS cache_write_5m_tokens,
    sum(event.cache_write_1h_tokens) AS cache_write_1h_tokens,
    sum(event.output_tokens) AS output_tokens,
    sum(event.input_audio_tokens) AS input_audio_tokens,
    sum(event.cache_read_audio_tokens) AS cache_read_audio_tokens,
    sum(event.output_audio_tokens) AS output_audio_tokens,
    sum(event.input_image_tokens) AS input_image_tokens,
    sum(event.cache_read_image_tokens) AS cache_read_image_tokens,
    sum(event.output_image_tokens) AS output_image_tokens,
    sum(event.characters) AS characters,
    sum(event.audio_seconds) AS audio_seconds,
    sum(event.images) AS images,
    sum(event.video_seconds) AS video_seconds,
    sum(event.tool_calls) AS tool_calls,
    sum(event.reasoning_tokens) AS reasoning_tokens,
    sum(event.input_cost) AS input_cost,
    sum(event.cache_read_cost) AS cache_read_cost,
    sum(event.cache_write_cost) AS cache_write_cost,
    sum(event.output_cost) AS output_cost,
    sum(event.audio_cost) AS audio_cost,
    sum(event.unit_cost) AS unit_cost,
    sum(event.cost) AS cost,
    sum(event.cache_savings) AS cache_savings,
    sum(ifNull(event.provider_cost, toDecimal128(0, 12))) AS provider_cost,
    countIf(event.provider_cost IS NOT NULL) AS provider_cost_requests,
    sumIf(event.requests, event.status = 'error') AS errors,
    sum(event.partial_requests) AS partial_requests,
    sum(event.unpriced_requests) AS unpriced_requests,
    sum(event.cache_unpriced_requests) AS cache_unpriced_requests,
    sum(toUInt64(ifNull(event.latency_ms, 0))) AS latency_sum,
    countIf(event.latency_ms IS NOT NULL) AS latency_requests,
    sum(toUInt64(ifNull(event.ttft_ms, 0))) AS ttft_sum,
    countIf(event.ttft_ms IS NOT NULL) AS ttft_requests,
    min(event.occurred_at) AS first_seen,
    max(event.occurred_at) AS last_seen
FROM usage_events AS event
GROUP BY bucket, org_id, role, feature, action, agent_id, task_id, configuration_id, service, provider, model,
    key_source, status, error_type;

-- The same sums by UTC day.
CREATE TABLE IF NOT EXISTS usage_daily AS usage_15m;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_daily_view TO usage_daily AS
SELECT
    toStartOfDay(event.occurred_at) AS bucket,
    org_id,
    role,
    feature,
    action,
    agent_id,
    task_id,
    configuration_id,
    service,
    provider,
    model,
    key_source,
    status,
    error_type,
    sum(event.requests) AS requests,
    sum(event.input_tokens) AS input_tokens,
    sum(event.cache_read_tokens) AS cache_read_tokens,
    sum(event.cache_write_5m_tokens) AS cache_write_5m_tokens,
    sum(event.cache_write_1h_tokens) AS cache_write_1h_tokens,
    sum(event.output_tokens) AS output_tokens,
    sum(event.input_audio_tokens) AS input_audio_tokens,
    sum(event.cache_read_audio_tokens) AS cache_read_audio_tokens,
    sum(event.output_audio_tokens) AS output_audio_tokens,
    sum(event.input_image_tokens) AS input_image_tokens,
    sum(event.cache_read_image_tokens) AS cache_read_image_tokens,
    sum(event.output_image_tokens) AS output_image_tokens,
    sum(event.characters) AS characters,
    sum(event.audio_seconds) AS audio_seconds,
    sum(event.images) AS images,
    sum(event.video_seconds) AS video_seconds,
    sum(event.tool_calls) AS tool_calls,
    sum(event.reasoning_tokens) AS reasoning_tokens,
    sum(event.input_cost) AS input_cost,
    sum(event.cache_read_cost) AS cache_read_cost,
    sum(event.cache_write_cost) AS cache_write_cost,
    sum(event.output_cost) AS output_cost,
    sum(event.audio_cost) AS audio_cost,
    sum(event.unit_cost) AS unit_cost,
    sum(event.cost) AS cost,
    sum(event.cache_savings) AS cache_savings,
    sum(ifNull(event.provider_cost, toDecimal128(0, 12))) AS provider_cost,
    countIf(event.provider_cost IS NOT NULL) AS provider_cost_requests,
    sumIf(event.requests, event.status = 'error') AS errors,
    sum(event.partial_requests) AS partial_requests,
    sum(event.unpriced_requests) AS unpriced_requests,
    sum(event.cache_unpriced_requests) AS cache_unpriced_requests,
    sum(toUInt64(ifNull(event.latency_ms, 0))) AS latency_sum,
    countIf(event.latency_ms IS NOT NULL) AS latency_requests,
    sum(toUInt64(ifNull(event.ttft_ms, 0))) AS ttft_sum,
    countIf(event.ttft_ms IS NOT NULL) AS ttft_requests,
    min(event.occurred_at) AS first_seen,
    max(event.occurred_at) AS last_seen
FROM usage_events AS event
GROUP BY bucket, org_id, role, feature, action, agent_id, task_id, configuration_id, service, provider, model,
    key_source, status, error_type;

-- Sums by user and day, sorted by user so that one user's page reads few granules. Calls without a user have user_id
-- 'system'. Granules of 1,024 rows and blocks of 4 KiB, because a table of users reads a hundred users out of fifty
-- thousand; with the default codec, because T64 and ZSTD are slower and no smaller in such small blocks.
CREATE TABLE IF NOT EXISTS user_daily
(
    bucket DateTime('UTC'),
    org_id LowCardinality(String),
    user_id String,
    role LowCardinality(String),
    class_name LowCardinality(String),
    section LowCardinality(String),
    feature LowCardinality(String),
    key_source LowCardinality(String),
    requests SimpleAggregateFunction(sum, UInt64),
    input_tokens SimpleAggregateFunction(sum, UInt64),
    cache_read_tokens SimpleAggregateFunction(sum, UInt64),
    cache_write_5m_tokens SimpleAggregateFunction(sum, UInt64),
    cache_write_1h_tokens SimpleAggregateFunction(sum, UInt64),
    output_tokens SimpleAggregateFunction(sum, UInt64),
    input_audio_tokens SimpleAggregateFunction(sum, UInt64),
    cache_read_audio_tokens SimpleAggregateFunction(sum, UInt64),
    output_audio_tokens SimpleAggregateFunction(sum, UInt64),
    input_image_tokens SimpleAggregateFunction(sum, UInt64),
    cache_read_image_tokens SimpleAggregateFunction(sum, UInt64),
    output_image_tokens SimpleAggregateFunction(sum, UInt64),
    characters SimpleAggregateFunction(sum, UInt64),
    audio_seconds SimpleAggregateFunction(sum, Decimal(38, 3)),
    images SimpleAggregateFunction(sum, UInt64),
    video_seconds SimpleAggregateFunction(sum, UInt64),
    tool_calls SimpleAggregateFunction(sum, UInt64),
    reasoning_tokens SimpleAggregateFunction(sum, UInt64),
    input_cost SimpleAggregateFunction(sum, Decimal(38, 12)),
    cache_read_cost SimpleAggregateFunction(sum, Decimal(38, 12)),
    cache_write_cost SimpleAggregateFunction(sum, Decimal(38, 12)),
    output_cost SimpleAggregateFunction(sum, Decimal(38, 12)),
    audio_cost SimpleAggregateFunction(sum, Decimal(38, 12)),
    unit_cost SimpleAggregateFunction(sum, Decimal(38, 12)),
    cost SimpleAggregateFunction(sum, Decimal(38, 12)),
    cache_savings SimpleAggregateFunction(sum, Decimal(38, 12)),
    provider_cost SimpleAggregateFunction(sum, Decimal(38, 12)),
    provider_cost_requests SimpleAggregateFunction(sum, UInt64),
    errors SimpleAggregateFunction(sum, UInt64),
    partial_requests SimpleAggregateFunction(sum, Int64),
    unpriced_requests SimpleAggregateFunction(sum, Int64),
    cache_unpriced_requests SimpleAggregateFunction(sum, Int64),
    latency_sum SimpleAggregateFunction(sum, UInt64),
    latency_requests SimpleAggregateFunction(sum, UInt64),
    ttft_sum SimpleAggregateFunction(sum, UInt64),
    ttft_requests SimpleAggregateFunction(sum, UInt64),
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    -- Start of the row's five-day interval, counted from 1970-01-01: the grain of five-day projections. A stored column,
    -- because an expression over `bucket` is evaluated for every granule before ClickHouse chooses a projection.
    five_days DateTime('UTC') MATERIALIZED toStartOfInterval(bucket, toIntervalDay(5)) CODEC(DoubleDelta, ZSTD(1)),

    -- One granule per part: skips the parts of other months where a part has no projection yet.
    INDEX five_days_of_part five_days TYPE minmax GRANULARITY 1000
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(bucket)
ORDER BY (org_id, user_id, bucket, feature, key_source, role, class_name, section)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 1024, min_compress_block_size = 4096;

CREATE MATERIALIZED VIEW IF NOT EXISTS user_daily_view TO user_daily AS
SELECT
    toStartOfDay(event.occurred_at) AS bucket,
    org_id,
    user_id,
    role,
    class_name,
    section,
    feature,
    key_source,
    sum(event.requests) AS requests,
    sum(event.input_tokens) AS input_tokens,
    sum(event.cache_read_tokens) AS cache_read_tokens,
    sum(event.cache_write_5m_tokens) AS cache_write_5m_tokens,
    sum(event.cache_write_1h_tokens) AS cache_write_1h_tokens,
    sum(event.output_tokens) AS output_tokens,
    sum(event.input_audio_tokens) AS input_audio_tokens,
    sum(event.cache_read_audio_tokens) AS cache_read_audio_tokens,
    sum(event.output_audio_tokens) AS output_audio_tokens,
    sum(event.input_image_tokens) AS input_image_tokens,
    sum(event.cache_read_image_tokens) AS cache_read_image_tokens,
    sum(event.output_image_tokens) AS output_image_tokens,
    sum(event.characters) AS characters,
    sum(event.audio_seconds) AS audio_seconds,
    sum(event.images) AS images,
    sum(event.video_seconds) AS video_seconds,
    sum(event.tool_calls) AS tool_calls,
    sum(event.reasoning_tokens) AS reasoning_tokens,
    sum(event.input_cost) AS input_cost,
    sum(event.cache_read_cost) AS cache_read_cost,
    sum(event.cache_write_cost) AS cache_write_cost,
    sum(event.output_cost) AS output_cost,
    sum(event.audio_cost) AS audio_cost,
    sum(event.unit_cost) AS unit_cost,
    sum(event.cost) AS cost,
    sum(event.cache_savings) AS cache_savings,
    sum(ifNull(event.provider_cost, toDecimal128(0, 12))) AS provider_cost,
    countIf(event.provider_cost IS NOT NULL) AS provider_cost_requests,
    sumIf(event.requests, event.status = 'error') AS errors,
    sum(event.partial_requests) AS partial_requests,
    sum(event.unpriced_requests) AS unpriced_requests,
    sum(event.cache_unpriced_requests) AS cache_unpriced_requests,
    sum(toUInt64(ifNull(event.latency_ms, 0))) AS latency_sum,
    countIf(event.latency_ms IS NOT NULL) AS latency_requests,
    sum(toUInt64(ifNull(event.ttft_ms, 0))) AS ttft_sum,
    countIf(event.ttft_ms IS NOT NULL) AS ttft_requests,
    min(event.occurred_at) AS first_seen,
    max(event.occurred_at) AS last_seen
FROM usage_events AS event
GROUP BY bucket, org_id, user_id, role, class_name, section, feature, key_source;

-- Latency histogram by day, for percentiles. Sixteen bins per doubling: bin b begins at 2^(b/16) - 1 ms and is 4.4 %
-- wide. Bin counts add up like other measures; merging a quantile sketch per row was slower than reading raw events.
CREATE TABLE IF NOT EXISTS latency_daily
(
    bucket DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    org_id LowCardinality(String),
    role LowCardinality(String),
    feature LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    key_source LowCardinality(String),
    latency_bin UInt16 CODEC(T64, ZSTD(1)),
    latency_requests SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(bucket)
ORDER BY (org_id, bucket, feature, provider, model, role, key_source, latency_bin)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS latency_daily_view TO latency_daily AS
SELECT
    toStartOfDay(event.occurred_at) AS bucket,
    org_id,
    role,
    feature,
    provider,
    model,
    key_source,
    toUInt16(floor(16 * log2(1 + ifNull(event.latency_ms, 0)))) AS latency_bin,
    countIf(event.latency_ms IS NOT NULL) AS latency_requests
FROM usage_events AS event
WHERE event.latency_ms IS NOT NULL
GROUP BY bucket, org_id, role, feature, provider, model, key_source, latency_bin;
