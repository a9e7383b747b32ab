-- Conflicts: events with the id of another event, but other content. The event that was stored first is counted; the
-- other is only recorded here. Recording it again changes nothing.
CREATE TABLE IF NOT EXISTS ingest_conflicts
(
    event_id UUID,
    -- of the event that is counted
    org_id LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    -- of the event that is not
    dropped_org_id LowCardinality(String),
    -- names of the fields that differ, and their values in both events; users and conversations without values
    fields Array(LowCardinality(String)),
    counted Map(LowCardinality(String), String),
    dropped Map(LowCardinality(String), String),
    -- coordinates of the record that is not counted
    topic_id LowCardinality(String),
    topic_partition UInt32,
    topic_offset UInt64,
    found_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(found_at)
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (occurred_at, event_id, topic_id, topic_partition, topic_offset)
TTL toDateTime(found_at) + INTERVAL 400 DAY;
