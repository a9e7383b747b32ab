-- Budgets of every dimension of the catalogue and of tags, defaults per user, and thresholds.

ALTER TABLE budgets
    -- the dimension's value, for scopes other than 'org', 'user' and 'feature'; KEY:VALUE of a tag
    ADD COLUMN IF NOT EXISTS value String AFTER feature,
    -- of a budget for a section
    ADD COLUMN IF NOT EXISTS class_name String AFTER value,
    -- of a default for each user (user_id '*'): only calls of this role; empty: of every role without its own default
    ADD COLUMN IF NOT EXISTS role LowCardinality(String) AFTER class_name,
    -- used percentages that raise an alert; empty: the guard's default
    ADD COLUMN IF NOT EXISTS thresholds Array(UInt16) AFTER currency;
