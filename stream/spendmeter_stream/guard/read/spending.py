"""Read the spend of the windows that end now. Closed parts are cached for a quarter of an hour.

A run therefore reads one or two hours of raw events instead of six hours or a month. Events that arrive more than an
hour late count from the next quarter on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.budgets import Budget, calendar_month
from spendmeter_clickhouse.budgets.months import QUARTER, ClosedEdges, closed_days
from spendmeter_stream.guard.read import queries
from spendmeter_stream.guard.read.spend_rows import rows_by_key
from spendmeter_stream.guard.values import Key, Spend

_MOST: Final = 2000
"""Maximum rows per scope besides those with a budget, by spend."""
_HOUR: Final = timedelta(hours=1)
_NOTHING: Final = (Decimal(0),) * 4
_UTC: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class _Closed:
    """Spend of the closed parts, and the cache key it was read for."""

    cache_key: tuple[Any, ...]
    hours: Mapping[Key, tuple[Any, ...]]
    months: Mapping[Key, tuple[Any, ...]]


class Spending:
    """Read spend, and cache the closed parts of this quarter of an hour."""

    def __init__(self, *, session: Session) -> None:
        self._session = session
        self._closed: _Closed | None = None

    async def read(
        self, now: datetime, *, budgets: Sequence[Budget], zones: Mapping[str, ZoneInfo]
    ) -> dict[Key, Spend]:
        """Return the spend of every key with spend; `now` is UTC. Raises `StoreError`."""
        starts = {zone.key: calendar_month(now, zone)[0] for zone in {*zones.values(), _UTC}}
        edges = ClosedEdges.of(now, starts.values())
        most = _MOST + len(budgets)
        # New or changed budgets and zones change the rows to read: apply them at once, not in the next quarter.
        cache_key = (edges, zones, [budget.budget_id for budget in budgets])
        if self._closed is None or self._closed.cache_key != cache_key:
            self._closed = await self._read_closed(
                cache_key, edges, {**closed_days(starts, edges.current), "most": most}
            )
        windows = {
            "six_hours": now - 6 * _HOUR,
            "closed_from": edges.closed_from,
            "closed_to": edges.closed_to,
            "hour": now - _HOUR,
            "quarter": now - QUARTER,
            "current": edges.current,
            "now": now,
        }
        recent = await rows_by_key(self._session, queries.RECENT, {**windows, "most": most})
        keys = recent.keys() | self._closed.hours.keys() | self._closed.months.keys()
        return {key: _spend(key, self._closed, recent) for key in keys}

    async def _read_closed(self, cache_key: tuple[Any, ...], edges: ClosedEdges, months: Mapping[str, Any]) -> _Closed:
        never = dict.fromkeys(("hour", "quarter", "current", "now"), edges.closed_to)
        # The same query as for the open part, with an empty closed part.
        span = {"six_hours": edges.closed_from, **dict.fromkeys(("closed_from", "closed_to"), edges.closed_from)}
        hours = await rows_by_key(self._session, queries.RECENT, {**never, **span, "most": months["most"]})
        orgs = await rows_by_key(self._session, queries.MONTH, months)
        users = await rows_by_key(self._session, queries.MONTH_OF_USERS, months)
        return _Closed(cache_key, hours, {**orgs, **users})


def _spend(key: Key, closed: _Closed, recent: Mapping[Key, tuple[Any, ...]]) -> Spend:
    quarter, hour, six_hours, current = recent.get(key, _NOTHING)
    closed_hours = closed.hours.get(key, _NOTHING)[2]
    return Spend(quarter, hour, closed_hours + six_hours, closed.months.get(key, _NOTHING)[0] + current)
