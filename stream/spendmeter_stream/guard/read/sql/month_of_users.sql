-- Spend of the calendar month by user: whole days from the daily rollup, the days of `edges` (as hours, the sorting key)
-- from events.
SELECT
    'user' AS scope,
    org_id,
    user_id AS name,
    sum(part.cost) AS month_cost
FROM
(
    SELECT org_id, user_id, event.cost AS cost
    FROM user_daily AS event
    WHERE event.bucket >= transform(dictGetOrDefault('org_directory', 'timezone', tuple(org_id), ''),
            {zones:Array(String)}, {starts:Array(DateTime('UTC'))}, {utc_start:DateTime('UTC')})
        AND event.bucket >= {first:DateTime('UTC')} AND event.bucket < {current:DateTime('UTC')}
        AND event.bucket NOT IN {edges:Array(DateTime('UTC'))} AND event.key_source = 'platform'
    UNION ALL
    SELECT org_id, user_id, event.cost AS cost
    FROM usage_events AS event
    WHERE toStartOfHour(event.occurred_at) IN {edge_hours:Array(DateTime('UTC'))}
        AND event.occurred_at >= transform(dictGetOrDefault('org_directory', 'timezone', tuple(org_id), ''),
            {zones:Array(String)}, {starts:Array(DateTime('UTC'))}, {utc_start:DateTime('UTC')})
        AND event.occurred_at < {current:DateTime('UTC')} AND event.key_source = 'platform'
) AS part
GROUP BY org_id, user_id
HAVING month_cost != 0
ORDER BY
    (org_id, user_id) IN (SELECT org_id, user_id FROM budgets FINAL WHERE scope = 'user' AND NOT deleted) DESC,
    month_cost DESC
LIMIT {most:UInt32}
