-- Who may ask, and who looked whom up. docs/api.md, "Who may see what", explains both.

-- API keys, by the part of them that may be shown. The key itself is nowhere, only its SHA-256. The newest
-- `updated_at` of a key wins. A limit of 0 is the service's own.
CREATE TABLE IF NOT EXISTS api_keys
(
    prefix String,
    digest FixedString(32),
    name String,
    scopes Array(LowCardinality(String)),
    -- the one org of a key without platform:read
    org_id String,
    expires_at Nullable(DateTime64(3, 'UTC')),
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

-- Each time that somebody read one user's page: who, whom, when, and the request's id. Nothing of the answer.
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
