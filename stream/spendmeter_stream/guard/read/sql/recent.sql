-- Spend of the last 15 minutes, hour and six hours, and since `current`, without [`closed_from`, `closed_to`), which the
-- reader has cached. Raw events, because users have no rollup below a day; the sorting key finds the hours. Up to `most`
-- rows per scope: users with a budget first, then by spend.
SELECT
    multiIf(grouping(user_id) = 0, 'user', grouping(feature) = 0, 'feature', grouping(org_id) = 0, 'org', 'all') AS scope,
    org_id,
    if(scope = 'user', user_id, feature) AS name,
    sumIf(event.cost, event.occurred_at >= {quarter:DateTime64(3, 'UTC')}) AS quarter_cost,
    sumIf(event.cost, event.occurred_at >= {hour:DateTime64(3, 'UTC')}) AS hour_cost,
    sum(event.cost) AS six_hours_cost,
    sumIf(event.cost, event.occurred_at >= {current:DateTime64(3, 'UTC')}) AS current_cost
FROM usage_events AS event
WHERE event.occurred_at >= {six_hours:DateTime64(3, 'UTC')}
    AND (event.occurred_at < {closed_from:DateTime64(3, 'UTC')} OR event.occurred_at >= {closed_to:DateTime64(3, 'UTC')})
    AND event.occurred_at < {now:DateTime64(3, 'UTC')}
    AND event.key_source = 'platform'
GROUP BY GROUPING SETS ((org_id), (org_id, user_id), (org_id, feature), (feature), ())
HAVING six_hours_cost != 0
ORDER BY
    scope = 'user' AND (org_id, user_id) IN (
        SELECT org_id, user_id FROM budgets FINAL WHERE scope = 'user' AND NOT deleted
    ) DESC,
    hour_cost DESC,
    six_hours_cost DESC
LIMIT {most:UInt32} BY scope
