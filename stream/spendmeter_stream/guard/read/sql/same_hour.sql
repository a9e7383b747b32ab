-- Spend in the hour that ends at `end` (a quarter's edge, Unix time), on each of the `days` days before.
SELECT
    if(grouping(feature) = 1, 'org', 'feature') AS scope,
    org_id,
    feature AS name,
    intDiv({end:Int64} - 1 - toInt64(toUnixTimestamp(event.bucket)), 86400) AS days_ago,
    sum(event.cost) AS hour_cost
FROM usage_15m AS event
WHERE event.bucket >= fromUnixTimestamp({end:Int64} - 86400 * {days:Int64} - 3600)
    AND event.bucket < fromUnixTimestamp({end:Int64} - 82800)
    AND ({end:Int64} - 1 - toInt64(toUnixTimestamp(event.bucket))) % 86400 < 3600
    AND event.key_source = 'platform'
GROUP BY GROUPING SETS ((org_id, days_ago), (org_id, feature, days_ago), (feature, days_ago))
