-- Orgs and users as the directory topic last told them. The newest `updated_at` of a key wins.
CREATE TABLE IF NOT EXISTS orgs
(
    org_id String,
    name String,
    timezone LowCardinality(String),
    currency LowCardinality(String),
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY org_id;

CREATE TABLE IF NOT EXISTS users
(
    org_id String,
    user_id String,
    name String,
    email String,
    role LowCardinality(String),
    class_name LowCardinality(String),
    section LowCardinality(String),
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (org_id, user_id);

-- Names for boards and answers, joined at read time: a renamed school shows its new name over its whole past.
CREATE DICTIONARY IF NOT EXISTS org_directory
(
    org_id String,
    name String,
    timezone String,
    currency String
)
PRIMARY KEY org_id
SOURCE(CLICKHOUSE(QUERY 'SELECT org_id, name, timezone, currency FROM {database}.orgs FINAL'))
LIFETIME(MIN 5 MAX 15)
LAYOUT(COMPLEX_KEY_HASHED());

CREATE DICTIONARY IF NOT EXISTS user_directory
(
    org_id String,
    user_id String,
    name String,
    email String,
    role String,
    class_name String,
    section String
)
PRIMARY KEY org_id, user_id
SOURCE(CLICKHOUSE(QUERY 'SELECT org_id, user_id, name, email, role, class_name, section FROM {database}.users FINAL'))
LIFETIME(MIN 5 MAX 15)
LAYOUT(COMPLEX_KEY_HASHED());
