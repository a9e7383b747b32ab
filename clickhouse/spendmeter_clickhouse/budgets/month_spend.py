"""Month-to-date spend of budgets of any dimension. The closed part of the month is cached for a quarter of an hour.

One pair of statements per combination of columns: whole UTC days from the daily rollup, the days on which a month
begins and today from a finer one, and the last hour or two from raw events. A rollup is used if it has the columns;
tags, and users crossed with columns of calls, are in raw events only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from spendmeter_clickhouse.budgets.months import ClosedEdges, calendar_month, closed_days
from spendmeter_clickhouse.budgets.stored import TAG, Budget
from spendmeter_clickhouse.catalogue import CHARGEABLE, EVENTS, ROLLUPS
from spendmeter_clickhouse.store import Session
from spendmeter_events.event import SYSTEM_USER

Columns = tuple[str, ...]
Amounts = dict[tuple[str, ...], Decimal]
Spent = dict[UUID, dict[str, Decimal]]
"""Budget → user → USD; the user is empty unless the budget is a default."""

_UTC: Final = ZoneInfo("UTC")
_PERSON: Final = ("org_id", "user_id", "role")
_CALLS: Final = next(it for it in ROLLUPS if it.table == "usage_daily").columns
_PEOPLE: Final = next(it for it in ROLLUPS if it.table == "user_daily").columns
_RAW_EDGES: Final = "toStartOfHour(event.occurred_at) IN {edge_hours:Array(DateTime('UTC'))} AND "
_RATES: Final = """
SELECT currency, argMax(fx_rates.per_usd, rate_date) AS per_usd
FROM fx_rates FINAL
WHERE rate_date <= {today:Date}
GROUP BY currency
"""


async def rates_in_force(session: Session, today: date) -> dict[str, Decimal]:
    """Return currency → units per USD: the newest rate on or before `today`. Raises `StoreError`."""
    answer = await session.query(_RATES, {"today": today})
    return {row[0]: row[1] for row in answer.result_rows}


@dataclass(frozen=True, slots=True)
class _Read:
    """What one pair of statements reads."""

    columns: Columns
    parameters: Mapping[str, Any]


class MonthSpend:
    """Read the spend of budgets, and cache the closed parts of this quarter of an hour."""

    def __init__(self, *, session: Session) -> None:
        self._session = session
        self._cache_key: tuple[Any, ...] = ()
        self._closed: dict[Columns, Amounts] = {}

    async def read(
        self,
        now: datetime,
        *,
        budgets: Sequence[Budget],
        zones: Mapping[str, ZoneInfo],
        chosen: Callable[[Budget], bool] = lambda _: True,
    ) -> Spent:
        """Return the spend of each chosen budget in its org's month until `now` (UTC). Raises `StoreError`.

        :param budgets: all budgets: a user with a budget of their own does not count against a default.
        """
        own = {(budget.org_id, budget.user_id) for budget in budgets if budget.scope == "user"}
        budgets = [budget for budget in budgets if chosen(budget)]
        if not budgets:
            return {}
        orgs = {budget.org_id: zones.get(budget.org_id, _UTC) for budget in budgets}
        starts = {zone.key: calendar_month(now, zone)[0] for zone in {*orgs.values(), _UTC}}
        edges = ClosedEdges.of(now, starts.values())
        org_starts = {org: starts[zone.key] for org, zone in orgs.items()}
        reads = [_read_of(columns, group, org_starts) for columns, group in _by_columns(budgets).items()]
        # New or changed budgets and zones change the rows to read.
        cache_key = (edges, orgs, [budget.budget_id for budget in budgets])
        if cache_key != self._cache_key:
            month = closed_days(starts, edges.current)
            closed = {read.columns: await self._rows(closed_sql(read.columns), read, month) for read in reads}
            self._closed, self._cache_key = closed, cache_key
        found: dict[Columns, Amounts] = {}
        for read in reads:
            recent = await self._rows(recent_sql(read.columns), read, {"current": edges.current, "now": now})
            found[read.columns] = _added(self._closed[read.columns], recent)
        return _attributed(budgets, found, own)

    async def _rows(self, sql: str, read: _Read, times: Mapping[str, Any]) -> Amounts:
        answer = await self._session.query(sql, {**times, **read.parameters})
        return {tuple(row[:-1]): row[-1] for row in answer.result_rows}


def columns_of(budget: Budget) -> Columns:
    """Return the columns whose values decide whether a call counts against `budget`."""
    return _PERSON if budget.per_user else tuple(budget.filters())


def closed_sql(columns: Columns) -> str:
    """Return the statement of the closed part of the month, grouped by `columns`."""
    daily = _table(columns)
    if daily == EVENTS:
        parts = [_part(columns, EVENTS, "event.occurred_at >= {first:DateTime('UTC')} AND ", "event.occurred_at")]
    else:
        whole = "event.bucket NOT IN {edges:Array(DateTime('UTC'))} AND event.bucket >= {first:DateTime('UTC')} AND "
        quarters = "toStartOfDay(event.bucket) IN {edges:Array(DateTime('UTC'))} AND "
        ends = (
            _part(columns, EVENTS, _RAW_EDGES, "event.occurred_at")
            if daily == "user_daily"
            else _part(columns, "usage_15m", quarters, "event.bucket")
        )
        parts = [_part(columns, daily, whole, "event.bucket"), ends]
    union = "\nUNION ALL\n".join(parts)
    keys = ", ".join(f"c{number}" for number in range(len(columns)))
    return f"SELECT {keys}, sum(part.cost) AS spent\nFROM (\n{union}\n) AS part\nGROUP BY {keys}\nHAVING spent != 0"


def recent_sql(columns: Columns) -> str:
    """Return the statement of the part since `current`, grouped by `columns`."""
    keys = ", ".join(f"c{number}" for number in range(len(columns)))
    times = "event.occurred_at >= {current:DateTime('UTC')} AND event.occurred_at < {now:DateTime64(3, 'UTC')}"
    return (
        f"SELECT {_selected(columns)}, sum(event.cost) AS spent\nFROM {EVENTS} AS event\n"
        f"WHERE {times} AND {CHARGEABLE.when}{_filters(columns)}\nGROUP BY {keys}\nHAVING spent != 0"
    )


def _part(columns: Columns, table: str, condition: str, time: str) -> str:
    start = "{utc_start:DateTime('UTC')}"
    if "org_id" in columns:
        start = (
            f"transform(toString(event.org_id), {{orgs:Array(String)}}, {{org_starts:Array(DateTime('UTC'))}}, {start})"
        )
    return (
        f"SELECT {_selected(columns)}, event.cost AS cost FROM {table} AS event\n"
        f"WHERE {condition}{time} >= {start} AND {time} < {{current:DateTime('UTC')}}\n"
        f"    AND {CHARGEABLE.when}{_filters(columns)}"
    )


def _table(columns: Columns) -> str:
    if set(columns) <= set(_CALLS):
        return "usage_daily"
    return "user_daily" if set(columns) <= set(_PEOPLE) else EVENTS


def _expression(number: int, column: str) -> str:
    return f"event.tags[{{tag{number}:String}}]" if column.startswith(f"{TAG}:") else f"toString(event.{column})"


def _selected(columns: Columns) -> str:
    return ", ".join(f"{_expression(number, column)} AS c{number}" for number, column in enumerate(columns))


def _filters(columns: Columns) -> str:
    # Of defaults, only the orgs are known: each of their users counts.
    filtered = ("org_id",) if columns == _PERSON else columns
    return "".join(
        f" AND {_expression(number, column)} IN {{v{number}:Array(String)}}"
        for number, column in enumerate(columns)
        if column in filtered
    )


def _by_columns(budgets: Iterable[Budget]) -> dict[Columns, list[Budget]]:
    groups: dict[Columns, list[Budget]] = {}
    for budget in budgets:
        groups.setdefault(columns_of(budget), []).append(budget)
    return groups


def _read_of(columns: Columns, budgets: Sequence[Budget], org_starts: Mapping[str, datetime]) -> _Read:
    orgs = sorted({budget.org_id for budget in budgets})
    parameters: dict[str, Any] = {"orgs": orgs, "org_starts": [org_starts[org] for org in orgs]}
    for number, column in enumerate(columns):
        if column.startswith(f"{TAG}:"):
            parameters[f"tag{number}"] = column.removeprefix(f"{TAG}:")
        parameters[f"v{number}"] = sorted({value for it in budgets for value in it.filters().get(column, ())})
    return _Read(columns, parameters)


def _added(closed: Amounts, recent: Amounts) -> Amounts:
    return {key: closed.get(key, Decimal(0)) + recent.get(key, Decimal(0)) for key in closed.keys() | recent.keys()}


def _attributed(budgets: Sequence[Budget], found: Mapping[Columns, Amounts], own: Set[tuple[str, str]]) -> Spent:
    plain = [budget for budget in budgets if not budget.per_user]
    spent: Spent = {budget.budget_id: {"": found[columns_of(budget)].get(_key(budget), Decimal(0))} for budget in plain}
    return spent | users_of_defaults(budgets, found.get(_PERSON, {}), own)


def _key(budget: Budget) -> tuple[str, ...]:
    return tuple(value for (value,) in budget.filters().values())


def users_of_defaults(budgets: Sequence[Budget], amounts: Mapping[Any, Decimal], own: Set[tuple[str, str]]) -> Spent:
    """Attribute `amounts` of (org, user, role) to defaults; `own` are the users with a budget of their own.

    A call counts against one limit per user: the user's own, else the default of the call's role, else the org's.
    """
    defaults = {(budget.org_id, budget.role): budget.budget_id for budget in budgets if budget.per_user}
    spent: Spent = {budget_id: {} for budget_id in defaults.values()}
    for (org_id, user_id, role), usd in amounts.items():
        budget_id = defaults.get((org_id, role)) or defaults.get((org_id, ""))
        if budget_id is not None and user_id != SYSTEM_USER and (org_id, user_id) not in own:
            spent[budget_id][user_id] = spent[budget_id].get(user_id, Decimal(0)) + usd
    return spent
