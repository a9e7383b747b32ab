"""Calendar months of budgets, and the parts of a month that each table answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from spendmeter_clickhouse.store import Session
from spendmeter_clickhouse.zones import named_zone

QUARTER: Final = timedelta(minutes=15)
_HOUR: Final = timedelta(hours=1)


async def org_zones(session: Session) -> dict[str, ZoneInfo]:
    """Return the time zones of orgs in the directory, omitting invalid ones. Raises `StoreError`."""
    answer = await session.query("SELECT org_id, timezone FROM orgs FINAL")
    # The directory accepts any label: an invalid zone must not affect the budgets of other orgs.
    return {org_id: zone for org_id, name in answer.result_rows if (zone := named_zone(name))}


def calendar_month(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return start and end (exclusive), in UTC, of the month of `now` in `zone`."""
    first = now.astimezone(zone).date().replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    start, end = (datetime.combine(day, time.min, zone).astimezone(UTC) for day in (first, following))
    return start, end


def quarter_end(now: datetime) -> datetime:
    """Return the end of the quarter of an hour that contains `now`."""
    return now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0) + QUARTER


@dataclass(frozen=True, slots=True)
class ClosedEdges:
    """Edges of the closed parts of the six hours and of the month, the same for every `now` of a quarter."""

    closed_from: datetime
    closed_to: datetime
    current: datetime
    """End of the closed part of the month. No month begins later, so later spend is in every org's current month."""

    @classmethod
    def of(cls, now: datetime, months: Iterable[datetime]) -> ClosedEdges:
        """Return the edges of the quarter of `now`, for months that begin at `months`."""
        end = quarter_end(now)
        closed = end - QUARTER - _HOUR
        return cls(end - 6 * _HOUR, closed, max(closed, *months))


def closed_days(starts: Mapping[str, datetime], until: datetime) -> dict[str, Any]:
    """Return the closed month of each key of `starts`, and the UTC days up to `until` that daily rollups cannot answer.

    The result is bound to the statements that read the closed part of a month.
    """
    edges = sorted({datetime.combine(start.date(), time.min, UTC) for start in (*starts.values(), until)})
    return {
        "zones": list(starts),
        "starts": list(starts.values()),
        "utc_start": starts["UTC"],
        "first": edges[0],
        "edges": edges,
        "edge_hours": [day + timedelta(hours=hour) for day in edges for hour in range(24)],
        "current": until,
    }
