-- One row per call to a model, append-only. Costs are USD with 12 decimals (pico-dollars), so sums are exact.
--
-- Sorted by hour and then by id: the log reads newest hours first, and a look-up of ids needs a few granules.
-- UUIDToNum gives big-endian bytes, which sort a version 7 id by its time; the UUID type itself does not.
CREATE TABLE IF NOT EXISTS usage_events
(
    event_id UUID,
    -- 'usage' for a call; 'adjustment' for a repricing row, which counts no request and carries a cost difference
    kind LowCardinality(String) DEFAULT 'usage',
    occurred_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    -- who
    org_id LowCardinality(String),
    user_id String CODEC(ZSTD(1)),
    role LowCardinality(String),
    class_name LowCardinality(String),
    section LowCardinality(String),
    -- what
    feature LowCardinality(String),
    action LowCardinality(String),
    agent_id LowCardinality(String),
    task_id LowCardinality(String),
    configuration_id LowCardinality(String),
    conversation_id String CODEC(ZSTD(1)),
    request_id String CODEC(ZSTD(1)),
    service LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    key_source LowCardinality(String),
    -- usage, in disjoint buckets; reasoning is part of output
    requests UInt64 DEFAULT 1 CODEC(T64, ZSTD(1)),
    input_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_read_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_write_5m_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_write_1h_tokens UInt64 CODEC(T64, ZSTD(1)),
    output_tokens UInt64 CODEC(T64, ZSTD(1)),
    reasoning_tokens UInt64 CODEC(T64, ZSTD(1)),
    input_audio_tokens UInt64 CODEC(T64, ZSTD(1)),
    output_audio_tokens UInt64 CODEC(T64, ZSTD(1)),
    characters UInt64 CODEC(T64, ZSTD(1)),
    audio_seconds Decimal(18, 3) CODEC(ZSTD(1)),
    images UInt64 CODEC(T64, ZSTD(1)),
    tool_calls UInt64 CODEC(T64, ZSTD(1)),
    -- price context and cost, estimated with the price in force at occurred_at
    service_tier LowCardinality(String),
    region LowCardinality(String),
    input_cost Decimal(38, 12) CODEC(ZSTD(1)),
    cache_read_cost Decimal(38, 12) CODEC(ZSTD(1)),
    cache_write_cost Decimal(38, 12) CODEC(ZSTD(1)),
    output_cost Decimal(38, 12) CODEC(ZSTD(1)),
    -- audio tokens, in and out
    audio_cost Decimal(38, 12) CODEC(ZSTD(1)),
    -- what tokens do not measure: characters, audio seconds, images, tool calls
    unit_cost Decimal(38, 12) CODEC(ZSTD(1)),
    -- the sum of the six above
    cost Decimal(38, 12) CODEC(ZSTD(1)),
    -- what the cache reads would have cost at the input price, less what they cost, less the write premium
    cache_savings Decimal(38, 12) CODEC(ZSTD(1)),
    -- 'priced', 'partial', 'unpriced' or 'free'
    pricing_status LowCardinality(String),
    -- the buckets that were used and had no rate
    unpriced_units Array(LowCardinality(String)),
    -- 1 for a call that lacks a rate for some unit, for every unit, or to judge its cache by; an adjustment row
    -- that mends it carries -1, so that the sums always say what is still missing
    partial_requests Int8,
    unpriced_requests Int8,
    cache_unpriced_requests Int8,
    price_version LowCardinality(String),
    -- what the provider itself said the call cost
    provider_cost Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
    -- outcome
    status LowCardinality(String),
    error_type LowCardinality(String),
    error_message String CODEC(ZSTD(3)),
    latency_ms Nullable(UInt32) CODEC(ZSTD(1)),
    ttft_ms Nullable(UInt32) CODEC(ZSTD(1)),
    streamed Bool,
    tags Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    -- where the event came from: the life of its topic, and its place there
    topic_id LowCardinality(String),
    topic_partition UInt32 CODEC(ZSTD(1)),
    topic_offset UInt64 CODEC(Delta, ZSTD(1)),
    ingested_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),

    INDEX org_id_index org_id TYPE set(64) GRANULARITY 1,
    INDEX user_id_index user_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toStartOfHour(occurred_at), UUIDToNum(event_id))
SETTINGS non_replicated_deduplication_window = 10000;
