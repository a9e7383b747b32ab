"""Reads what the guard needs from the store, as of a moment. What is usual is kept for a quarter of an hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.budgets import list_budgets, org_zones
from spendmeter_stream.guard.read import queries
from spendmeter_stream.guard.read.rows import quarter_end, rows_by_key, to_key
from spendmeter_stream.guard.read.spending import Spending
from spendmeter_stream.guard.values import TOTAL, Baseline, Key, Reading, Spend

_DAYS: Final = {"days": queries.SAME_HOURS}
_BUSY: Final = {"days": queries.BUSY_DAYS, "rank": queries.BUSY_RANK}

Hours = dict[Key, list[float]]


class Reader:
    """One session with the store, and the baselines of this quarter of an hour."""

    def __init__(self, *, session: Session, floor: float) -> None:
        self._session = session
        self._spending = Spending(session=session)
        self._floor = floor
        self._busy: dict[Key, float] = {}
        self._days: dict[Key, int] = {}
        self._hours_of: datetime | None = None
        self._hours: Hours = {}
        self._users: dict[Key, Baseline] = {}

    async def read(self, now: datetime) -> Reading:
        """Everything a decision at `now` depends on. Raises `StoreError`."""
        now = now.astimezone(UTC)
        budgets = await list_budgets(self._session)
        zones = await org_zones(self._session)
        rates = await self._session.query(queries.RATES, {"today": now.date()})
        spend = await self._spending.read(now, budgets=budgets, zones=zones)
        return Reading(
            at=now,
            spend=spend,
            baselines=await self._baselines(now, spend),
            budgets=budgets,
            rates={row[0]: row[1] for row in rates.result_rows},
            zones=zones,
        )

    async def _baselines(self, now: datetime, spend: Mapping[Key, Spend]) -> dict[Key, Baseline]:
        await self._refresh(now)
        keys = {key for key in spend if key.scope != "user" and key != TOTAL} | self._hours.keys()
        found = {key: Baseline(self._same_hours(key), self._busy_of_key(key), self._days_around(key)) for key in keys}
        # Below half the floor no score of a person matters, and there are many people.
        users = [key for key, spent in spend.items() if key.scope == "user" and float(spent.hour) * 2 > self._floor]
        await self._look_at_users([key for key in users if key not in self._users], now)
        return found | {key: self._users[key] for key in users}

    async def _refresh(self, now: datetime) -> None:
        """Once a quarter what is usual and what is busy; no longer, for the past may be imported at any time."""
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

    async def _look_at_users(self, users: Sequence[Key], now: datetime) -> None:
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
            self._users[key] = Baseline(same, max(own, self._busy_of_key(key)), self._days_around(key))

    def _same_hours(self, key: Key) -> tuple[float, ...]:
        return tuple(self._hours.get(key, [0.0] * queries.SAME_HOURS))

    def _days_around(self, key: Key) -> int:
        """How many days the org of `key` has a past of; the platform, for a feature of no org."""
        return self._days.get(Key("org", key.org_id, key.org_id) if key.org_id else TOTAL, 0)

    def _busy_of_key(self, key: Key) -> float:
        """The key's own, or its surroundings' if that is more; the platform's for an org that has no past."""
        everyone = self._busy.get(TOTAL, 0.0)
        if not key.org_id:
            return max(self._busy.get(key, 0.0), everyone)
        org = self._busy.get(Key("org", key.org_id, key.org_id), 0.0)
        return max(self._busy.get(key, 0.0), org or everyone)


def _by_day(rows: Iterable[Sequence[Any]]) -> Hours:
    """Rows of (scope, org_id, name, days ago, USD) → key → USD by days ago, from 1 on."""
    found: Hours = {}
    for scope, org_id, name, days_ago, cost in rows:
        hours = found.setdefault(to_key(scope, org_id, name), [0.0] * queries.SAME_HOURS)
        hours[int(days_ago) - 1] = float(cost)
    return found


def _end(quarter: datetime) -> int:
    return int(quarter.timestamp())


def _hours(quarter: datetime) -> list[datetime]:
    """The whole hours that the hour before `quarter` touches on each of the days before: the sorting key."""
    top = quarter.replace(minute=0)
    touched = [top - timedelta(hours=1)] + ([top] if quarter.minute else [])
    return [hour - timedelta(days=day) for day in range(1, queries.SAME_HOURS + 1) for hour in touched]
