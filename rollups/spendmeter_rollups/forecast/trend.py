"""Daily spend: the points of a trend, the remaining days of a month, and the forecast over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from spendmeter_rollups.forecast.projection import MIN_POINTS, Forecast, forecast
from spendmeter_rollups.query.windows import Window, local_date, start_of_day

_DAY: Final = timedelta(days=1)
_TICK: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Day:
    """Cost of one local day."""

    date: date
    cost: Decimal
    requests: int


def trend_window(window: Window, *, zone: ZoneInfo, now: datetime) -> Window:
    """Return the window of the points. Seven days that include today have six complete ones: one earlier is added."""
    today, first = local_date(now, zone), local_date(window.start, zone)
    week = start_of_day(first, zone) == window.start and (today - first).days == MIN_POINTS - 1
    return Window(start_of_day(first - _DAY, zone), window.end) if week and window.contains(now - _TICK) else window


def complete_days(days: Mapping[date, Day], *, window: Window, zone: ZoneInfo, now: datetime) -> list[Day]:
    """Return the days entirely in `window` and before today, without gaps, from the first with a request on."""
    used = [day.date for day in days.values() if day.requests]
    if not used:
        return []
    date = min(used)
    if start_of_day(date, zone) < window.start:
        date += _DAY
    today, found = local_date(now, zone), []
    while date < today and start_of_day(date + _DAY, zone) <= window.end:
        found.append(days.get(date, Day(date, Decimal(0), 0)))
        date += _DAY
    return found


def days_left(now: datetime, zone: ZoneInfo, end: datetime) -> list[tuple[date, float]]:
    """Return each day from today until `end` (a midnight in `zone`), with its remaining share."""
    today = local_date(now, zone)
    start, stop = start_of_day(today, zone), start_of_day(today + _DAY, zone)
    left = [(today, (stop - now) / (stop - start))]
    day = today + _DAY
    while start_of_day(day, zone) < end:
        left.append((day, 1.0))
        day += _DAY
    return left


def used_points(points: Sequence[Day]) -> int:
    """Return the number of points with a request."""
    return sum(1 for day in points if day.requests)


def extend_trend(points: Sequence[Day], left: Sequence[tuple[date, float]], *, spent: Decimal) -> Forecast | None:
    """Extend the trend of `points` over the remaining days; None with fewer than `MIN_POINTS` days with requests."""
    if used_points(points) < MIN_POINTS:
        return None
    first = points[0].date
    return forecast(
        [float(day.cost) for day in points],
        spent=float(spent),
        ahead=[(day - first).days for day, _ in left],
        weights=[share for _, share in left],
    )
