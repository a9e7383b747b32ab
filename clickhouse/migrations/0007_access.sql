-- Access to the API. docs/api.md, "Who may see what", describes both tables.

-- API keys. The row with the newest updated_at per key counts.
CREATE TABLE IF NOT EXISTS api_keys
(
    -- the part of the key that may be shown
    prefix String,
    -- SHA-256 of the key, which is stored nowhere
    digest FixedString(32),
    name String,
    scopes Array(LowCardinality(String)),
    -- the only org of a key without platform:read
    org_id String,
    expires_at Nullable(DateTime64(3, 'UTC')),
    -- limits of the key; 0 selects the service's limit
    requests_per_minute UInt32,
    query_seconds UInt32,
    query_memory_bytes UInt64,
    query_rows UInt64,
    created_at DateTime64(3, 'UTC'),
    revoked Bool DEFAULT false,
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY prefix;

-- Audit log: one row per request that read a single user's data, without the answer.
CREATE TABLE IF NOT EXISTS audit_log
(
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    request_id String CODEC(ZSTD(1)),
    -- 'key:PREFIX', 'oidc:SUBJECT' or 'admin'
    actor String CODEC(ZSTD(1)),
    action LowCardinality(String),
    org_id LowCardinality(String),
    user_id String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, request_id);
