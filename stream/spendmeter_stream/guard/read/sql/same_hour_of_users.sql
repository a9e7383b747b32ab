-- Spend of some users in the same hour of previous days, from raw events; `hours` are the overlapping whole hours, for the
-- sorting key.
SELECT
    'user' AS scope,
    org_id,
    user_id AS name,
    intDiv({end:Int64} - 1 - toInt64(toUnixTimestamp(event.occurred_at)), 86400) AS days_ago,
    sum(event.cost) AS hour_cost
FROM usage_events AS event
WHERE toStartOfHour(event.occurred_at) IN {hours:Array(DateTime('UTC'))}
    AND ({end:Int64} - 1 - toInt64(toUnixTimestamp(event.occurred_at))) % 86400 < 3600
    AND days_ago BETWEEN 1 AND {days:Int64}
    AND user_id IN {users:Array(String)}
    AND event.key_source = 'platform'
GROUP BY org_id, user_id, days_ago
