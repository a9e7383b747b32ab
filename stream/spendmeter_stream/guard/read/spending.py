"""What everybody spent in the windows that end now. What is over is read once a quarter of an hour, the rest each time.

So one look reads an hour or two of raw events, and not six, nor the month. What arrives more than an hour late counts
from the next quarter on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.budgets import Budget, calendar_month
from spendmeter_stream.guard.read import queries
from spendmeter_stream.guard.read.rows import QUARTER, quarter_end, rows_by_key
from spendmeter_stream.guard.values import Key, Spend

_MOST: Final = 2000
"""Rows of one scope that are read beyond those with a budget. Whoever is left out spends less than all of them."""
_HOUR: Final = timedelta(hours=1)
_NOTHING: Final = (Decimal(0),) * 4
_UTC: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class _Edges:
    """What is over: the part of the six hours, and the part of the month, that no `now` of this quarter ends."""

    known_from: datetime
    known_to: datetime
    current: datetime
    """The month is known until here. No month begins later, so what follows is of every org's current month."""

    @classmethod
    def of(cls, now: datetime, months: Iterable[datetime]) -> _Edges:
        end = quarter_end(now)
        closed = end - QUARTER - _HOUR
        return cls(end - 6 * _HOUR, closed, max(closed, *months))


@dataclass(frozen=True, slots=True)
class _Known:
    """Spend between the edges, and for which question it was read."""

    question: tuple[Any, ...]
    hours: Mapping[Key, tuple[Any, ...]]
    months: Mapping[Key, tuple[Any, ...]]


class Spending:
    """One session with the store, and what is over as of this quarter of an hour."""

    def __init__(self, *, session: Session) -> None:
        self._session = session
        self._known: _Known | None = None

    async def read(
        self, now: datetime, *, budgets: Sequence[Budget], zones: Mapping[str, ZoneInfo]
    ) -> dict[Key, Spend]:
        """The spend of every key that has any; `now` is UTC. Raises `StoreError`."""
        starts = {zone.key: calendar_month(now, zone)[0] for zone in {*zones.values(), _UTC}}
        edges = _Edges.of(now, starts.values())
        most = _MOST + len(budgets)
        # A budget or a zone that is new or changed may ask for other rows: it does not wait for the next quarter.
        question = (edges, zones, [budget.budget_id for budget in budgets])
        if self._known is None or self._known.question != question:
            self._known = await self._over(question, edges, {**_months(starts, edges.current), "most": most})
        windows = {
            "six_hours": now - 6 * _HOUR,
            "known_from": edges.known_from,
            "known_to": edges.known_to,
            "hour": now - _HOUR,
            "quarter": now - QUARTER,
            "current": edges.current,
            "now": now,
        }
        recent = await rows_by_key(self._session, queries.RECENT, {**windows, "most": most})
        keys = recent.keys() | self._known.hours.keys() | self._known.months.keys()
        return {key: _spend(key, self._known, recent) for key in keys}

    async def _over(self, question: tuple[Any, ...], edges: _Edges, months: Mapping[str, Any]) -> _Known:
        never = dict.fromkeys(("hour", "quarter", "current", "now"), edges.known_to)
        # The same statement as for what is not over, with nothing that is known already.
        span = {"six_hours": edges.known_from, **dict.fromkeys(("known_from", "known_to"), edges.known_from)}
        hours = await rows_by_key(self._session, queries.RECENT, {**never, **span, "most": months["most"]})
        orgs = await rows_by_key(self._session, queries.MONTH, months)
        users = await rows_by_key(self._session, queries.MONTH_OF_USERS, months)
        return _Known(question, hours, {**orgs, **users})


def _spend(key: Key, known: _Known, recent: Mapping[Key, tuple[Any, ...]]) -> Spend:
    quarter, hour, six_hours, current = recent.get(key, _NOTHING)
    over = known.hours.get(key, _NOTHING)[2]
    return Spend(quarter, hour, over + six_hours, known.months.get(key, _NOTHING)[0] + current)


def _months(starts: Mapping[str, datetime], until: datetime) -> dict[str, Any]:
    """When the current month began by each zone, and the UTC days until `until` that no daily rollup can answer for."""
    edges = sorted({datetime.combine(moment.date(), time.min, UTC) for moment in (*starts.values(), until)})
    return {
        "zones": list(starts),
        "starts": list(starts.values()),
        "utc_start": starts["UTC"],
        "first": edges[0],
        "edges": edges,
        "edge_hours": [day + timedelta(hours=hour) for day in edges for hour in range(24)],
        "current": until,
    }
