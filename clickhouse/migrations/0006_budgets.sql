-- Budgets and exchange rates.
--
-- Each table keeps the row with the newest updated_at per key.

-- Monthly budgets, written through the API (docs/api.md) and watched by the worker's spend guard.
CREATE TABLE IF NOT EXISTS budgets
(
    budget_id UUID,
    -- 'org': an org. 'user': a user of an org. 'feature': a feature of an org, or of all orgs where org_id is empty
    scope LowCardinality(String),
    org_id String,
    user_id String,
    feature String,
    -- per calendar month in the org's time zone
    amount Decimal(38, 12),
    currency LowCardinality(String),
    -- a deleted budget keeps its row
    deleted Bool DEFAULT false,
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY budget_id;

-- Dated exchange rates, to show costs in an org's currency. A report uses the rate in force at its end, so past reports
-- do not change.
CREATE TABLE IF NOT EXISTS fx_rates
(
    currency LowCardinality(String),
    rate_date Date,
    -- units of the currency per USD
    per_usd Decimal(38, 12),
    source String,
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (currency, rate_date);
