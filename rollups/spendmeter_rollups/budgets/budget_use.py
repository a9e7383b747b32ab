"""Use of each budget, and the forecast day on which it is exhausted.

A budget covers the calendar month in its org's time zone, independent of the request's window, and counts chargeable
cost: calls on an org's own keys (BYOK) are excluded.

The forecast extends the linear fit of `projection` over the complete days of the last 30. The budget is exhausted on
the first day on which the spend so far plus the fitted values up to that day reaches the amount. No day after the
month's end is returned, because the next month starts at zero.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from spendmeter_clickhouse.budgets import Budget, calendar_month
from spendmeter_rollups.catalogue.tags import PREFIX, tag_column
from spendmeter_rollups.forecast.trend import Day, complete_days, days_left, extend_trend
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Window, bucket_edges, local_date, start_of_day
from spendmeter_rollups.views.row_details import Key, key_of

_TREND: Final = timedelta(days=30)
_UTC: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """Spend of a budget in `month` (USD), and the forecast; None if there are too few days for one."""

    month: Window
    zone: ZoneInfo
    spent: Decimal
    projected: float | None
    exhausted_on: date | None


async def budget_uses(
    usage: UsageReader, pairs: Sequence[tuple[Budget, Decimal | None]], zones: Mapping[str, ZoneInfo]
) -> list[BudgetUse]:
    """Return the use of each budget, in order. `pairs` are budgets and their amounts in USD; None without a rate.

    Runs one query for all budgets of the same columns and time zone. The use of a limit of each user is empty.
    """
    groups: dict[tuple[tuple[str, ...], str], list[Budget]] = {}
    for budget, _ in pairs:
        if not budget.per_user:
            groups.setdefault((_columns(budget), _zone(budget, zones).key), []).append(budget)
    found = await asyncio.gather(
        *(_daily(usage, ZoneInfo(zone), columns, group) for (columns, zone), group in groups.items())
    )
    days = {
        budget.budget_id: each.get(_key(budget), {})
        for group, each in zip(groups.values(), found, strict=True)
        for budget in group
    }
    return [
        _use(usage.scope.now, _zone(budget, zones), days.get(budget.budget_id, {}), amount) for budget, amount in pairs
    ]


def _zone(budget: Budget, zones: Mapping[str, ZoneInfo]) -> ZoneInfo:
    return zones.get(budget.org_id, _UTC)


def _columns(budget: Budget) -> tuple[str, ...]:
    tags = {column: column.removeprefix(PREFIX) for column in budget.filters() if column.startswith(PREFIX)}
    return tuple(tag_column(tags[column]) if column in tags else column for column in budget.filters())


def _key(budget: Budget) -> Key:
    return tuple(value for (value,) in budget.filters().values())


async def _daily(
    usage: UsageReader, zone: ZoneInfo, columns: tuple[str, ...], budgets: Iterable[Budget]
) -> dict[Key, dict[date, Day]]:
    """Return the days of each budget, by its key: those of this month and the 30 days before today."""
    keys = [_key(budget) for budget in budgets]
    filters = {column: tuple(sorted({key[index] for key in keys})) for index, column in enumerate(columns)}
    window = _window(usage.scope.now, zone)
    chosen = usage.within(replace(usage.scope, window=window, zone=zone, filters=filters))
    edges = bucket_edges(window, "day", zone)
    found: dict[Key, dict[date, Day]] = {}
    for row in await chosen.sums(columns, ("requests", "chargeable_cost"), edges=edges):
        day = datetime.fromtimestamp(row["bucket"] / 1000, zone).date()
        found.setdefault(key_of(row, columns), {})[day] = Day(day, row["chargeable_cost"], row["requests"])
    return found


def _window(now: datetime, zone: ZoneInfo) -> Window:
    month, _ = calendar_month(now, zone)
    trend = start_of_day(local_date(now, zone) - _TREND, zone)
    # Exactly at midnight the month is empty, but a window cannot be.
    return Window(min(month, trend), max(now, month + timedelta(milliseconds=1)))


def _use(now: datetime, zone: ZoneInfo, days: Mapping[date, Day], amount: Decimal | None) -> BudgetUse:
    month = Window(*calendar_month(now, zone))
    first = local_date(month.start, zone)
    this_month = [days[day] for day in sorted(days) if day >= first]
    spent = sum((day.cost for day in this_month), Decimal(0))
    window = Window(start_of_day(local_date(now, zone) - _TREND, zone), now)
    recent = {day: used for day, used in days.items() if start_of_day(day, zone) >= window.start}
    left = days_left(now, zone, month.end)
    found = extend_trend(complete_days(recent, window=window, zone=zone, now=now), left, spent=spent)
    ahead = [(day, cost) for (day, _), cost in zip(left, found.days, strict=True)] if found else []
    return BudgetUse(
        month=month,
        zone=zone,
        spent=spent,
        projected=found.projected if found else None,
        exhausted_on=None if amount is None else exhausted_on(this_month, ahead, amount),
    )


def exhausted_on(days: Sequence[Day], ahead: Sequence[tuple[date, float]], amount: Decimal) -> date | None:
    """Return the first day of `days` (spent) or `ahead` (fitted) by whose end `amount` is spent, or None."""
    spent = Decimal(0)
    for day in days:
        spent += day.cost
        if spent >= amount:
            return day.date
    total = float(spent)
    for day_ahead, cost in ahead:
        total += cost
        if total >= amount:
            return day_ahead
    return None
