-- Busy days of some users: no rollup has their hours, and users spend in few hours of a day.
SELECT
    'user' AS scope,
    org_id,
    name,
    arrayElement(arrayReverseSort(groupArray(day_cost)), {rank:UInt8}) AS busy
FROM
(
    SELECT org_id, user_id AS name, event.bucket, sum(event.cost) AS day_cost
    FROM user_daily AS event
    WHERE event.bucket >= {today:DateTime('UTC')} - toIntervalDay({days:Int64}) AND event.bucket < {today:DateTime('UTC')}
        AND user_id IN {users:Array(String)} AND event.key_source = 'platform'
    GROUP BY org_id, name, event.bucket
)
GROUP BY org_id, name
HAVING busy > 0
