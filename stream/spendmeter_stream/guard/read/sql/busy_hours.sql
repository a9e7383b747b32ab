-- The UTC hour with the `rank`-highest spend in the `days` whole UTC days before `today`, and the number of these days
-- with spend.
SELECT
    scope,
    org_id,
    name,
    arrayElement(arrayReverseSort(groupArray(hour_cost)), {rank:UInt8}) AS busy,
    uniqExactIf(toDate(bucket), hour_cost > 0) AS history_days
FROM
(
    SELECT
        multiIf(grouping(org_id) = 0 AND grouping(feature) = 0, 'feature', grouping(org_id) = 0, 'org',
            grouping(feature) = 0, 'feature', 'all') AS scope,
        org_id,
        feature AS name,
        event.bucket,
        sum(event.cost) AS hour_cost
    FROM usage_hourly AS event
    WHERE event.bucket >= {today:DateTime('UTC')} - toIntervalDay({days:Int64}) AND event.bucket < {today:DateTime('UTC')}
        AND event.key_source = 'platform'
    GROUP BY GROUPING SETS ((org_id, bucket), (org_id, feature, bucket), (feature, bucket), (bucket))
)
GROUP BY scope, org_id, name
HAVING history_days > 0
