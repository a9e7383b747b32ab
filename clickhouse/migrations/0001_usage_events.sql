-- Raw events: one row per call to a model, append-only. Costs are USD with 12 decimals, so sums are exact.
--
-- Sorted by hour, then by id: the request log reads the newest hours first, and a lookup of ids reads few granules.
-- UUIDToNum gives big-endian bytes, which sort version 7 ids by time; the UUID type does not.
CREATE TABLE IF NOT EXISTS usage_events
(
    event_id UUID,
    -- 'usage' for a call; 'adjustment' for a row of a repricing, with zero requests and a cost difference
    kind LowCardinality(String) DEFAULT 'usage',
    -- event_id of the call that an adjustment belongs to; zero for a call
    adjusts UUID CODEC(ZSTD(1)),
    -- 0 for a call, 1 for its first adjustment, and so on
    adjustment UInt16 CODEC(ZSTD(1)),
    occurred_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    -- attribution: the user
    org_id LowCardinality(String),
    user_id String CODEC(ZSTD(1)),
    role LowCardinality(String),
    class_name LowCardinality(String),
    section LowCardinality(String),
    -- attribution: the feature and the model
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
    cache_read_audio_tokens UInt64 CODEC(T64, ZSTD(1)),
    output_audio_tokens UInt64 CODEC(T64, ZSTD(1)),
    input_image_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_read_image_tokens UInt64 CODEC(T64, ZSTD(1)),
    output_image_tokens UInt64 CODEC(T64, ZSTD(1)),
    characters UInt64 CODEC(T64, ZSTD(1)),
    audio_seconds Decimal(18, 3) CODEC(ZSTD(1)),
    images UInt64 CODEC(T64, ZSTD(1)),
    video_seconds UInt64 CODEC(T64, ZSTD(1)),
    tool_calls UInt64 CODEC(T64, ZSTD(1)),
    -- price context and cost, estimated with the price in force at occurred_at
    service_tier LowCardinality(String),
    region LowCardinality(String),
    input_cost Decimal(38, 12) CODEC(ZSTD(1)),
    cache_read_cost Decimal(38, 12) CODEC(ZSTD(1)),
    cache_write_cost Decimal(38, 12) CODEC(ZSTD(1)),
    output_cost Decimal(38, 12) CODEC(ZSTD(1)),
    -- uncached input and output audio tokens; cached ones are in cache_read_cost, image tokens in input and output_cost
    audio_cost Decimal(38, 12) CODEC(ZSTD(1)),
    -- units other than tokens: characters, audio seconds, images, video seconds, tool calls; and costs that only the provider knows
    unit_cost Decimal(38, 12) CODEC(ZSTD(1)),
    -- the sum of the six above
    cost Decimal(38, 12) CODEC(ZSTD(1)),
    -- cache reads at the input price, minus their cost, minus the premium paid for cache writes
    cache_savings Decimal(38, 12) CODEC(ZSTD(1)),
    -- 'priced', 'partial', 'unpriced' or 'free'
    pricing_status LowCardinality(String),
    -- used buckets for which the price card has no rate
    unpriced_units Array(LowCardinality(String)),
    -- 1 for a call without a rate for some unit, for every unit, or for its cache savings. The adjustment that prices
    -- it carries -1, so the sum is the number of calls still unpriced.
    partial_requests Int8,
    unpriced_requests Int8,
    cache_unpriced_requests Int8,
    price_version LowCardinality(String),
    -- id of the rates in price_cards; empty for a call without any rate
    price_card LowCardinality(String),
    -- cost reported by the provider
    provider_cost Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
    -- outcome
    status LowCardinality(String),
    error_type LowCardinality(String),
    error_message String CODEC(ZSTD(3)),
    latency_ms Nullable(UInt32) CODEC(ZSTD(1)),
    ttft_ms Nullable(UInt32) CODEC(ZSTD(1)),
    streamed Bool,
    tags Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    -- coordinates of the Kafka record
    topic_id LowCardinality(String),
    topic_partition UInt32 CODEC(ZSTD(1)),
    topic_offset UInt64 CODEC(Delta, ZSTD(1)),
    ingested_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),

    INDEX org_id_index org_id TYPE set(64) GRANULARITY 1,
    INDEX user_id_index user_id TYPE bloom_filter(0.01) GRANULARITY 1,

    -- Totals of each UTC day, for the drift check: a few rows per part instead of every event.
    PROJECTION by_day
    (
        SELECT toDate(occurred_at), count(), sum(requests), sum(cost), sum(cityHash64(event_id))
        GROUP BY toDate(occurred_at)
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toStartOfHour(occurred_at), UUIDToNum(event_id))
-- A retried chunk is recognised by its insert token among the last 10,000. A lightweight DELETE (duplicate removal)
-- rebuilds the projection, so that day totals never include deleted rows.
SETTINGS non_replicated_deduplication_window = 10000, lightweight_mutation_projection_mode = 'rebuild';
