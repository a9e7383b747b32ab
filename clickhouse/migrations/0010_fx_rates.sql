-- Dated rates for showing amounts in an org's currency. A past report keeps its rate: the one in force at its end.
CREATE TABLE IF NOT EXISTS fx_rates
(
    currency LowCardinality(String),
    rate_date Date,
    -- units of the currency for one USD
    per_usd Decimal(38, 12),
    source String,
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (currency, rate_date);
