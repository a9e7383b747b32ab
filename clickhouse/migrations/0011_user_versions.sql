-- Versions of the attributes of users: those that were in force when a call occurred are stamped on its event, also if
-- it arrives late or is imported. The earliest version applies to earlier calls too.
CREATE TABLE IF NOT EXISTS user_versions
(
    org_id String,
    user_id String,
    valid_from DateTime64(3, 'UTC'),
    role LowCardinality(String),
    class_name LowCardinality(String),
    section LowCardinality(String),
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (org_id, user_id, valid_from);

INSERT INTO user_versions (org_id, user_id, valid_from, role, class_name, section, updated_at)
SELECT org_id, user_id, updated_at, role, class_name, section, updated_at
FROM users FINAL;
