-- Names of agents, tasks, configurations and features, from the directory topic. The row with the newest updated_at per
-- key is current.
CREATE TABLE IF NOT EXISTS directory_names
(
    -- 'agent', 'task', 'configuration' or 'feature'
    kind LowCardinality(String),
    id String,
    -- empty: the name applies to all orgs without one of their own
    org_id String,
    name String,
    avatar_url String,
    updated_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (kind, id, org_id);
