"""Read the guard's inputs from the store as of a time. Baselines are cached for a quarter of an hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.budgets import Budget, list_budgets, org_zones
from spendmeter_clickhouse.budgets.month_spend import MonthSpend, rates_in_force
from spendmeter_clickhouse.budgets.months import quarter_end
from spendmeter_stream.guard.read import queries
from spendmeter_stream.guard.read.spend_rows import rows_by_key, to_key
from spendmeter_stream.guard.read.spending import Spending
from spendmeter_stream.guard.values import PLAIN_SCOPES, TOTAL, Baseline, Key, Reading, Spend

_DAYS: Final = {"days": queries.SAME_HOURS}
_BUSY: Final = {"days": queries.BUSY_DAYS, "rank": queries.BUSY_RANK}

Hours = dict[Key, list[float]]


class SpendReader:
    """Read spend, budgets and rates; cache the baselines of the current quarter of an hour."""

    def __init__(self, *, session: Session, floor: float) -> None:
        self._session = session
        self._spending = Spending(session=session)
        self._months = MonthSpend(session=session)
        self._floor = floor
        self._busy: dict[Key, float] = {}
        self._days: dict[Key, int] = {}
        self._hours_of: datetime | None = None
        self._hours: Hours = {}
        self._users: dict[Key, Baseline] = {}

    async def read(self, now: datetime) -> Reading:
        """Return all inputs of an evaluation at `now`. Raises `StoreError`."""
        now = now.astimezone(UTC)
        budgets = await list_budgets(self._session)
        zones = await org_zones(self._session)
        spend = await self._spending.read(now, budgets=budgets, zones=zones)
        return Reading(
            at=now,
            spend=spend,
            baselines=await self._baselines(now, spend),
            budgets=budgets,
            budget_spend=await self._months.read(now, budgets=budgets, zones=zones, chosen=_is_read_apart),
            rates=await rates_in_force(self._session, now.date()),
            zones=zones,
        )

    async def _baselines(self, now: datetime, spend: Mapping[Key, Spend]) -> dict[Key, Baseline]:
        await self._refresh(now)
        keys = {key for key in spend if key.scope != "user" and key != TOTAL} | self._hours.keys()
        found = {key: Baseline(self._same_hours(key), self._busy_of_key(key), self._org_days(key)) for key in keys}
        # Users are many, and below half the floor no user's score can raise an alert.
        users = [key for key, spent in spend.items() if key.scope == "user" and float(spent.hour) * 2 > self._floor]
        await self._read_users([key for key in users if key not in self._users], now)
        return found | {key: self._users[key] for key in users}

    async def _refresh(self, now: datetime) -> None:
        """Refresh the baselines once a quarter of an hour, not less often: past events may be imported at any time."""
        quarter = quarter_end(now)
        if self._hours_of == quarter:
            return
        today = datetime.combine(now.date(), time.min, UTC)
        busy = await rows_by_key(self._session, queries.BUSY_HOURS, {"today": today, **_BUSY})
        hours = await self._session.query(queries.SAME_HOUR, {"end": _end(quarter), **_DAYS})
        self._busy = {key: float(row[0]) for key, row in busy.items()}
        self._days = {key: int(row[1]) for key, row in busy.items()}
        self._hours, self._users = _by_day(hours.result_rows), {}
        self._hours_of = quarter

    async def _read_users(self, users: Sequence[Key], now: datetime) -> None:
        if not users:
            return
        quarter = quarter_end(now)
        names = {"users": sorted({key.name for key in users})}
        hours = {"hours": _hours(quarter), "end": _end(quarter), **_DAYS}
        rows = await self._session.query(queries.SAME_HOUR_OF_USERS, {**names, **hours})
        today = datetime.combine(now.date(), time.min, UTC)
        busy = await rows_by_key(self._session, queries.BUSY_DAYS_OF_USERS, {**names, "today": today, **_BUSY})
        found = _by_day(rows.result_rows)
        for key in users:
            own = float(busy[key][0]) if key in busy else 0.0
            same = tuple(found.get(key, [0.0] * queries.SAME_HOURS))
            self._users[key] = Baseline(same, max(own, self._busy_of_key(key)), self._org_days(key))

    def _same_hours(self, key: Key) -> tuple[float, ...]:
        return tuple(self._hours.get(key, [0.0] * queries.SAME_HOURS))

    def _org_days(self, key: Key) -> int:
        """Return the days with spend of the key's org; of the platform for a key without org."""
        return self._days.get(Key("org", key.org_id, key.org_id) if key.org_id else TOTAL, 0)

    def _busy_of_key(self, key: Key) -> float:
        """Return the larger busy hour of the key and its org; the platform's if the org has no history."""
        platform = self._busy.get(TOTAL, 0.0)
        if not key.org_id:
            return max(self._busy.get(key, 0.0), platform)
        org = self._busy.get(Key("org", key.org_id, key.org_id), 0.0)
        return max(self._busy.get(key, 0.0), org or platform)


def _is_read_apart(budget: Budget) -> bool:
    """Return whether `Spending` does not read the spend of the budget's key anyway."""
    return budget.scope not in PLAIN_SCOPES or budget.per_user


def _by_day(rows: Iterable[Sequence[Any]]) -> Hours:
    """Map rows of (scope, org_id, name, days ago, USD) to key → USD by days ago, from 1 on."""
    found: Hours = {}
    for scope, org_id, name, days_ago, cost in rows:
        hours = found.setdefault(to_key(scope, org_id, name), [0.0] * queries.SAME_HOURS)
        hours[int(days_ago) - 1] = float(cost)
    return found


def _end(quarter: datetime) -> int:
    return int(quarter.timestamp())


def _hours(quarter: datetime) -> list[datetime]:
    """Return the whole hours (the sorting key) that overlap the hour before `quarter`, on each previous day."""
    top = quarter.replace(minute=0)
    overlapping = [top - timedelta(hours=1)] + ([top] if quarter.minute else [])
    return [hour - timedelta(days=day) for day in range(1, queries.SAME_HOURS + 1) for hour in overlapping]
