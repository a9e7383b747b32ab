-- Monthly budgets, as the query service's API defines them. docs/api.md explains them; the worker's spend guard
-- watches the same rows. The newest `updated_at` of a budget wins; a deleted one stays as a row that says so.
CREATE TABLE IF NOT EXISTS budgets
(
    budget_id UUID,
    -- 'org': all of an org. 'user': one user of an org. 'feature': one feature, of an org or (org_id empty) of all
    scope LowCardinality(String),
    org_id String,
    user_id String,
    feature String,
    -- a calendar month's, in the org's time zone
    amount Decimal(38, 12),
    currency LowCardinality(String),
    deleted Bool DEFAULT false,
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY budget_id;
