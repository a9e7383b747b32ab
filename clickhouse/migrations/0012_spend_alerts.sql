-- Alerts that the worker's spend guard sent (docs/alerts.md). The topic remains the record: the guard stores each alert
-- after it was published, and storing it again changes nothing.
CREATE TABLE IF NOT EXISTS spend_alerts
(
    alert_id UUID,
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    -- first evaluation that raised this alert
    since DateTime64(3, 'UTC'),
    kind LowCardinality(String),
    severity LowCardinality(String),
    -- what `name` is: an org, a user or a feature
    scope LowCardinality(String),
    -- empty for a feature of all orgs
    org_id String,
    name String,
    -- of time: 1h, month_to_date
    span LowCardinality(String),
    spend_usd Decimal(38, 12),
    limit_usd Decimal(38, 12),
    -- usual spend in this hour of a spike
    expected_usd Nullable(Decimal(38, 12)),
    summary String
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, alert_id);
