-- Spend of the calendar month until `current` (a quarter's edge): in the time zone of each org, and in UTC over all orgs.
-- A month may begin within a UTC day: whole days come from the daily rollup, the days of `edges` (starts of a month, and
-- today) from quarters.
SELECT
    multiIf(grouping(org_id) = 0 AND grouping(feature) = 0, 'feature', grouping(org_id) = 0, 'org',
        grouping(feature) = 0, 'feature', 'all') AS scope,
    org_id,
    feature AS name,
    if(grouping(org_id) = 0, sumIf(part.cost, part.bucket >= part.month_start),
        sumIf(part.cost, part.bucket >= {utc_start:DateTime('UTC')})) AS month_cost
FROM
(
    SELECT org_id, feature, event.bucket AS bucket, event.cost AS cost,
        transform(dictGetOrDefault('org_directory', 'timezone', tuple(org_id), ''),
            {zones:Array(String)}, {starts:Array(DateTime('UTC'))}, {utc_start:DateTime('UTC')}) AS month_start
    FROM usage_daily AS event
    WHERE event.bucket >= {first:DateTime('UTC')} AND event.bucket < {current:DateTime('UTC')}
        AND event.bucket NOT IN {edges:Array(DateTime('UTC'))} AND event.key_source = 'platform'
    UNION ALL
    SELECT org_id, feature, event.bucket AS bucket, event.cost AS cost,
        transform(dictGetOrDefault('org_directory', 'timezone', tuple(org_id), ''),
            {zones:Array(String)}, {starts:Array(DateTime('UTC'))}, {utc_start:DateTime('UTC')}) AS month_start
    FROM usage_15m AS event
    WHERE event.bucket >= {first:DateTime('UTC')} AND event.bucket < {current:DateTime('UTC')}
        AND toStartOfDay(event.bucket) IN {edges:Array(DateTime('UTC'))} AND event.key_source = 'platform'
) AS part
GROUP BY GROUPING SETS ((org_id), (org_id, feature), (feature), ())
HAVING month_cost != 0
ORDER BY month_cost DESC
LIMIT {most:UInt32} BY scope
