-- Orgs and users from the directory topic.
--
-- Each table keeps the row with the newest updated_at per key.

-- Orgs, with the time zone and currency of their reports.
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

-- Users with their current attributes; usage_events stores the attributes at the time of the call.
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

-- Names for boards and API answers, joined at read time: a renamed org shows its new name for its whole history.
-- LIFETIME: a rename shows after at most 15 seconds.
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
