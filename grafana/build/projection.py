"""The month-end sum in SQL: the query service's least squares and 80 % interval (`forecast/projection.py`).

Points are the complete days of the trend's window before today, from the first with a request on; x counts them from
0. What is left of the month is today's rest, with the share of the day that is left for a weight, and whole days after
it. With W = Σw and C = Σwx over some of those days, their sum is aW + bC, give or take
t · s · √(W²/n + (C - Wx̄)²/Sxx + W). The calendar month is that of the window's end.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

from grafana.build.calendar import with_names
from grafana.build.sql import CODE
from grafana.build.usage import usage

from spendmeter_rollups.forecast.projection import CONFIDENCE, MIN_POINTS

_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""80 % lie between -z and z."""


def _t_quantile(freedom: str) -> str:
    """Student's t at 0.9 from z, in powers of 1/freedom (Abramowitz and Stegun 26.7.5): to 2e-5 from 5 on."""
    z = _Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return " + ".join([f"{z:.12f}", *(f"{term:.12f} / pow({freedom}, {n})" for n, term in enumerate(terms, 1))])


def _fit() -> str:
    """One row: the fitted line, its error, and what is left of today and of the month."""
    days = usage((), ("cost", "requests"), stepped=True, window="t")
    by_day = (
        "SELECT sumMap([day], [toFloat64(usage.cost)]) AS spent, minIf(day, usage.requests > 0) AS first,\n"
        "  groupUniqArrayIf(day, usage.requests > 0) AS used\n"
        f"FROM (SELECT *, toUInt16(toDate(bucket, zone)) AS day FROM (\n{days}\n)) AS usage"
    )
    points = (
        "SELECT toUInt16(toDate(asof, zone)) AS today, toUInt16(toDate(m1, zone)) AS next_month,\n"
        "  first + (toDateTime(toDate(first), zone) < t0) AS lo, least(today, toUInt16(toDate(t1, zone))) AS hi,\n"
        "  arrayMap(d -> spent.2[indexOf(spent.1, d)], range(toUInt16(lo), hi)) AS y,\n"
        f"  arrayCount(d -> d >= lo AND d < hi, used) AS points\nFROM (\n{by_day}\n)"
    )
    return (
        "SELECT *, length(y) AS n, (n - 1) / 2 AS xm, n * (n * n - 1) / 12 AS sxx, arrayAvg(y) AS ym,\n"
        "  arraySum(arrayMap((v, i) -> v * (i - 1 - xm), y, arrayEnumerate(y))) / sxx AS b, ym - b * xm AS a,\n"
        "  (arraySum(v -> pow(v - ym, 2), y) - b * b * sxx) / (n - 2) AS s2,\n"
        f"  {_t_quantile('(n - 2)')} AS t, today - lo AS x0,\n"
        "  dateDiff('second', asof, toDateTime(toDate(today + 1), zone))\n"
        "    / dateDiff('second', toDateTime(toDate(today), zone), toDateTime(toDate(today + 1), zone)) AS share\n"
        f"FROM (\n{points}\n)\nWHERE points >= {MIN_POINTS}"
    )


def _month() -> str:
    """One row: what this month has cost, by day."""
    rows = usage((), ("cost",), stepped=True, window="m")
    return (
        "SELECT sumMap([day], [toFloat64(usage.cost)]) AS month_days, toFloat64(sum(usage.cost)) AS month_spent\n"
        f"FROM (SELECT *, toUInt16(toDate(bucket, zone)) AS day FROM (\n{rows}\n)) AS usage"
    )


_AHEAD: Final = {
    # After `k` whole days beyond today.
    "weight": "share + k",
    "moment": "share * x0 + k * x0 + k * (k + 1) / 2",
    "expected": "a * weight + b * moment",
    "margin": "t * sqrt(greatest(s2, 0) * (pow(weight, 2) / n + pow(moment - weight * xm, 2) / sxx + weight))",
}


# A falling trend never lowers what is already spent.
_PROJECTED: Final = "greatest(month_spent, month_spent + expected)"
_AT_LEAST: Final = "greatest(month_spent, month_spent + expected - margin)"
_AT_MOST: Final = "greatest(month_spent, month_spent + expected + margin)"


def _ahead() -> str:
    return ", ".join(f"{expression} AS {name}" for name, expression in _AHEAD.items())


def _by_day(statement: str, **names: str) -> str:
    return with_names(statement, step="'day'", **names)


def month_end() -> str:
    """One row: spent so far, the projected month, and its interval; no row with fewer than seven days of usage."""
    return _by_day(
        f'SELECT month_spent * fx AS "Spent so far {CODE}",\n'
        f'  {_PROJECTED} * fx AS "Projected {CODE}", {_AT_LEAST} * fx AS "At least {CODE}",\n'
        f'  {_AT_MOST} * fx AS "At most {CODE}"\n'
        f"FROM (SELECT *, next_month - today - 1 AS k, {_ahead()} FROM (\n{_fit()}\n)) AS fit\n"
        f"CROSS JOIN (\n{_month()}\n) AS month"
    )


def month_curve() -> str:
    """A row for each day of the month: the sum so far, then the projected sum and its interval."""
    actual = (
        "SELECT toInt64(number + 1) AS day, arraySum(d -> month_days.2[indexOf(month_days.1, d)],\n"
        "    range(first_day, toUInt16(first_day + number + 1))) AS so_far,\n"
        "  NULL AS middle, NULL AS least, NULL AS most\n"
        f"FROM (SELECT *, toUInt16(toDate(m0, zone)) AS first_day FROM (\n{_month()}\n)) AS month\n"
        "CROSS JOIN numbers(31) AS days\nWHERE first_day + number <= toUInt16(toDate(asof, zone))"
    )
    ahead = (
        "SELECT toInt64(today + k - toUInt16(toDate(m0, zone)) + 1) AS day, NULL AS so_far,\n"
        f"  {_PROJECTED} AS middle, {_AT_LEAST} AS least, {_AT_MOST} AS most\n"
        f"FROM (SELECT *, {_ahead()} FROM (\n{_fit()}\n) AS line\n"
        "  CROSS JOIN (SELECT number AS k FROM numbers(31)) AS days WHERE today + k < next_month) AS fit\n"
        f"CROSS JOIN (\n{_month()}\n) AS month"
    )
    return _by_day(
        f'SELECT toUInt32(day) AS "Day", max(so_far) * fx AS "Spent {CODE}", max(middle) * fx AS "Projected {CODE}",\n'
        f'  max(least) * fx AS "At least {CODE}", max(most) * fx AS "At most {CODE}"\n'
        f"FROM (\n{actual}\nUNION ALL\n{ahead}\n)\nGROUP BY day\nORDER BY day"
    )


def days_ahead() -> str:
    """(time, amount): the fitted spend of today's rest and of each day left in the month."""
    return _by_day(
        "SELECT toDateTime(toDate(today + k), zone) AS time,\n"
        f'  if(k = 0, share, 1) * (a + b * (x0 + k)) * fx AS "Projected {CODE}"\n'
        f"FROM (\n{_fit()}\n) AS fit CROSS JOIN (SELECT number AS k FROM numbers(31)) AS days\n"
        "WHERE today + k < next_month\nORDER BY time"
    )
