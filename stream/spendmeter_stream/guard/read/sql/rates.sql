-- The newest rate of each currency on or before `today`, in units per USD.
SELECT currency, argMax(fx_rates.per_usd, rate_date) AS per_usd
FROM fx_rates FINAL
WHERE rate_date <= {today:Date}
GROUP BY currency
