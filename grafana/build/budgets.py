"""Monthly budgets and their use, each in the calendar month of its org's time zone (UTC without an org).

ClickHouse accepts a time zone that differs from row to row only in `toString`, so the start of a month is computed
from its text. Spend is read as in `usage.usage`: whole UTC days from daily rollups, the ends of the month from finer
ones, or from raw events for a user. Only calls on the platform's keys count against a budget.
"""

from __future__ import annotations

from typing import Final

from grafana.build import sql
from grafana.build.calendar import QUARTER, with_names
from grafana.build.sql import CODE
from grafana.build.usage import condition

from spendmeter_clickhouse.catalogue import CHARGEABLE

_DAY: Final = 86400
_SHOWN: Final = "scope IN ('org', 'user', 'feature') AND budget.user_id != '*'"
"""Budgets of other dimensions and the limits of each user are shown by the API and the page only."""
_FILTERS: Final = {"org": "org_id", "feature": "feature", "user": "user_id"}

_NAMES: Final = {
    "today0": "toStartOfDay(asof, 'UTC')",
    "until": f"toStartOfFifteenMinutes(asof + {QUARTER - 1})",
    # Days on which a month may begin in some zone: around the start of the UTC month of yesterday and of tomorrow.
    "old0": f"toDateTime(toStartOfMonth(asof - {_DAY}, 'UTC'), 'UTC') - {_DAY}",
    "new0": f"toDateTime(toStartOfMonth(asof + {_DAY}, 'UTC'), 'UTC') - {_DAY}",
    "rates": (
        "(SELECT mapFromArrays(groupArray(code), groupArray(rate)) FROM (SELECT currency AS code,\n"
        "    toFloat64(argMax(per_usd, rate_date)) AS rate FROM fx_rates FINAL\n"
        "    WHERE rate_date <= toDate(asof, zone) GROUP BY currency))"
    ),
}


def _offset(moment: str) -> str:
    """UTC offset of `tz` at an instant, in seconds."""
    return f"(toUnixTimestamp(toDateTime(toString({moment}, tz), 'UTC')) - toUnixTimestamp({moment}))"


def _budgets(*, chosen: bool = True) -> str:
    """A row for each budget: its month [m0, m1), and its amount in USD (null without a rate)."""
    zone = "dictGetOrDefault('org_directory', 'timezone', tuple(toString(budget.org_id)), '')"
    filters = [condition(name, column, "budget") for name, column in _FILTERS.items()]
    where = "\n    AND ".join(["NOT deleted", _SHOWN, *(filters if chosen else ())])
    found = (
        "SELECT budget_id, scope, org_id, user_id, feature,\n"
        "    toFloat64(budget.amount) / if(currency = 'USD', 1, nullIf(rates[currency], 0)) AS cap,\n"
        f"    if({zone} = '', 'UTC', {zone}) AS tz\n  FROM budgets AS budget FINAL\n  WHERE {where}"
    )
    months = (
        "SELECT *, toStartOfMonth(toDateTime(toString(asof, tz), 'UTC'), 'UTC') AS month,\n"
        "    toDateTime(month, 'UTC') AS clock0, toDateTime(month + INTERVAL 1 MONTH, 'UTC') AS clock1,\n"
        f"    clock0 - {_offset('clock0')} AS near0, clock1 - {_offset('clock1')} AS near1\n  FROM (\n  {found}\n  )"
    )
    columns = "budget_id, scope, org_id, user_id, feature, cap, tz, month"
    ends = f"clock0 - {_offset('near0')} AS m0, clock1 - {_offset('near1')} AS m1"
    return f"SELECT {columns}, {ends}\n  FROM (\n  {months}\n  )"


def _ends(moment: str) -> str:
    """Condition: `moment` is on a day that may belong to a month only in part."""
    around = [f"({moment} >= {start} AND {moment} < {start} + {2 * _DAY})" for start in ("old0", "new0")]
    return f"({' OR '.join([*around, f'{moment} >= today0'])}) AND {moment} < until"


def _spent(budgets: str) -> str:
    """Cost by org (and again over all orgs), user, feature and `start` of a day (whole) or a quarter of an hour."""
    paid, cost = CHARGEABLE.when.removeprefix("event."), "toFloat64(sum(cost)) AS spent"
    people = f"(org_id, user_id) IN (SELECT org_id, user_id FROM (\n{budgets}\n) WHERE scope = 'user')"
    quarter = "toStartOfFifteenMinutes(event.occurred_at)"
    whole, ends = "bucket >= old0 AND bucket < today0", _ends("bucket")
    parts = [
        f"SELECT org_id, '' AS user_id, feature, bucket AS start, {is_whole} AS whole, {cost}\n"
        f"  FROM {table} WHERE {paid} AND {when} GROUP BY org_id, feature, bucket"
        for table, is_whole, when in (("usage_daily", 1, whole), ("usage_15m", 0, ends))
    ]
    parts += [
        f"SELECT org_id, user_id, '' AS feature, bucket AS start, 1 AS whole, {cost}\n"
        f"  FROM user_daily WHERE {paid} AND {whole} AND {people} GROUP BY org_id, user_id, bucket",
        f"SELECT org_id, user_id, '' AS feature, {quarter} AS start, 0 AS whole, toFloat64(sum(event.cost)) AS spent\n"
        f"  FROM usage_events AS event WHERE {paid} AND {_ends('event.occurred_at')} AND {people}\n"
        "  GROUP BY org_id, user_id, start",
    ]
    union = "\n  UNION ALL\n  ".join(parts)
    columns = "user_id, feature, start, whole, spent, of_org"
    return f"SELECT {columns} FROM (\n  {union}\n  ) AS each ARRAY JOIN arrayDistinct([org_id, '']) AS of_org"


def used(*, chosen: bool = True) -> str:
    """A row for each budget with `spent` (USD) of its month so far, and `elapsed`, the elapsed share of the month.

    :param chosen: only budgets that match the filters of the board.
    """
    counted = (
        "(budget.feature = '' OR budget.feature = use.feature) AND use.start >= budget.m0\n"
        "    AND (use.whole = 1 OR use.start >= today0 OR toStartOfDay(use.start, 'UTC') < budget.m0)"
    )
    kept = ("budget_id", "scope", "org_id", "user_id", "feature", "cap", "tz", "month", "m0", "m1")
    columns = ", ".join(f"budget.{name} AS {name}" for name in kept)
    budgets = _budgets(chosen=chosen)
    return (
        f"SELECT {columns},\n  sumIf(use.spent, {counted}) AS spent,\n"
        "  dateDiff('second', budget.m0, asof) / dateDiff('second', budget.m0, budget.m1) AS elapsed\n"
        f"FROM (\n{budgets}\n) AS budget\nLEFT JOIN (\n{_spent(budgets)}\n) AS use\n"
        "ON budget.org_id = use.of_org AND budget.user_id = use.user_id\n"
        f"GROUP BY {', '.join(f'budget.{name}' for name in kept)}"
    )


_WHOSE: Final = (
    f"concat(multiIf(use.scope = 'user', concat({sql.user_name('use.org_id', 'use.user_id')}, ' · '),\n"
    "    use.scope = 'feature', concat(use.feature, ' · '), ''),\n"
    f"    if(use.org_id = '', 'all schools', {sql.org_name('use.org_id')}))"
)


def table() -> str:
    """A row for each budget, the most used first."""
    columns = [
        f'{_WHOSE} AS "Budget"',
        'use.scope AS "Scope"',
        'use.spent / use.cap AS "Used"',
        'use.elapsed AS "Month elapsed"',
        f'use.spent * fx AS "Spent {CODE}"',
        f'use.cap * fx AS "Monthly {CODE}"',
        f'(use.cap - use.spent) * fx AS "Remaining {CODE}"',
        f'use.spent / nullIf(use.elapsed, 0) * fx AS "Month at this pace {CODE}"',
        "formatDateTime(use.month, '%Y-%m') AS \"Month\"",
        'use.tz AS "Time zone"',
        *(f"{sql.linkable(f'use.{column}')} AS {column}_value" for column in _FILTERS.values()),
    ]
    chosen = ",\n  ".join(columns)
    tail = 'ORDER BY "Used" DESC NULLS FIRST, "Budget"\nLIMIT 1000'
    return with_names(f"SELECT\n  {chosen}\nFROM (\n{used()}\n) AS use\n{tail}", **_NAMES)


def figures() -> str:
    """One row: the number of budgets, and of those that are used up, over pace, or without an exchange rate."""
    pace = "use.spent / nullIf(use.elapsed, 0) > use.cap"
    columns = [
        'count() AS "Budgets"',
        'countIf(use.spent >= use.cap) AS "Used up"',
        f'countIf(use.spent < use.cap AND {pace}) AS "Over pace"',
        'countIf(use.cap IS NULL) AS "No exchange rate"',
    ]
    return with_names(f"SELECT {', '.join(columns)}\nFROM (\n{used()}\n) AS use", **_NAMES)


def used_shares() -> str:
    """For an alert: (scope, org, key, spent ÷ budget)."""
    return _for_alert("use.spent / use.cap")


def paces() -> str:
    """For an alert: (scope, org, key, spend of the month at this pace ÷ budget); 0 in the first tenth of the month."""
    return _for_alert("if(use.elapsed < 0.1, 0, use.spent / use.elapsed / use.cap)")


def _for_alert(value: str) -> str:
    key = "multiIf(use.scope = 'user', use.user_id, use.scope = 'feature', use.feature, '')"
    labels = f"toString(use.scope) AS scope, use.org_id AS org, {key} AS key"
    tail = "WHERE use.cap > 0\nORDER BY value DESC\nLIMIT 1000"
    found = f"SELECT {labels}, assumeNotNull({value}) AS value\nFROM (\n{used(chosen=False)}\n) AS use\n{tail}"
    # Alerts run without a browser, so without its time zone: rates are chosen by UTC day.
    return with_names(found, **_NAMES, zone="'UTC'")
