"""Time windows: presets, local days in IANA time zones, and the buckets of a series.

All timestamps are UTC; a window is half-open, [start, end). A day, week or month starts at local midnight in the
caller's zone, whatever its offset and the length of that day. Bucket edges are computed here and sent to ClickHouse
as numbers, so that only one time zone database is used.
"""

from __future__ import annotations

import math
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

Granularity = Literal["hour", "day", "week", "month"]

Comparison = Literal["previous", "same_period"]

PRESETS: Final = ("today", "yesterday", "24h", "7d", "30d", "90d", "mtd", "last_month", "ytd", "all", "custom")
DEFAULT_PRESET: Final = "30d"
PRESET_ALIASES: Final[Mapping[str, str]] = {"month": "mtd", "this_month": "mtd"}
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)

_LAST_DAYS: Final = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
_QUARTER: Final = timedelta(minutes=15)
_DAY: Final = timedelta(days=1)
_MONTHS: Final = {"mtd": 1, "last_month": 1, "ytd": 12}
"""Presets of calendar months → the months from the same period before."""


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end) in UTC, to the millisecond; `start < end`."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """Its duration."""
        return self.end - self.start

    def previous(self) -> Window:
        """Return the window of equal length that ends at this one's start."""
        return Window(self.start - self.length, self.start)

    def contains(self, instant: datetime) -> bool:
        """Return whether `instant` is in it."""
        return self.start <= instant < self.end


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the start of `day` in `zone`; if the clock skips midnight, the instant of the skip."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """Return the calendar day of `instant` in `zone`."""
    return instant.astimezone(zone).date()


def preset_window(preset: str, *, now: datetime, zone: ZoneInfo, first_event: datetime | None) -> Window:
    """Return the window of a preset at `now`. An unknown preset is treated as the default.

    `7d` is today and the six days before it. `all` starts on the day of `first_event`.
    """
    today = local_date(now, zone)
    if preset == "24h":
        return Window(now - _DAY, now)
    if preset == "yesterday":
        return Window(start_of_day(today - _DAY, zone), start_of_day(today, zone))
    if preset == "last_month":
        end = today.replace(day=1)
        return Window(start_of_day((end - _DAY).replace(day=1), zone), start_of_day(end, zone))
    if preset == "mtd":
        first = today.replace(day=1)
    elif preset == "ytd":
        first = today.replace(month=1, day=1)
    elif preset == "all":
        first = min(today, local_date(first_event or now, zone))
    else:
        days = _LAST_DAYS.get(preset, _LAST_DAYS[DEFAULT_PRESET])
        first = today - timedelta(days=days - 1)
    # Exactly at midnight, a window that ends now would be empty.
    return Window(start_of_day(first, zone), now if now > start_of_day(first, zone) else now + _QUARTER)


def default_comparison(preset: str) -> Comparison:
    """Return how a preset is compared: a day, month or year in progress with the same part of the one before."""
    return "same_period" if preset in ("today", "mtd", "ytd") else "previous"


def same_period(preset: str, window: Window, zone: ZoneInfo) -> Window:
    """Return the same local times one period earlier: a month, a year, or the days that the window touches.

    A day that the earlier month lacks is its last: the 31st is compared with all of a shorter month.
    """
    if preset == "24h":
        return window.previous()
    months = _MONTHS.get(preset)
    start, end = (instant.astimezone(zone).replace(tzinfo=None) for instant in (window.start, window.end))
    days = max(1, math.ceil((end - start) / _DAY))
    earlier = [_months_before(local, months) if months else local - days * _DAY for local in (start, end)]
    first, last = (local.replace(tzinfo=zone).astimezone(UTC) for local in earlier)
    # A clock change may skip the whole period.
    return Window(first, last) if first < last <= window.start else window.previous()


def _months_before(local: datetime, months: int) -> datetime:
    year, month = divmod(local.year * 12 + local.month - 1 - months, 12)
    days = monthrange(year, month + 1)[1]
    if local.day > days:
        return datetime(year, month + 1, days) + _DAY
    return local.replace(year=year, month=month + 1)


def auto_granularity(window: Window, zone: ZoneInfo) -> Granularity:
    """Return hour up to 7 days, day up to 90, week up to 365, else month. Days are local calendar days."""
    start, end = (instant.astimezone(zone).replace(tzinfo=None) for instant in (window.start, window.end))
    length = end - start
    if length <= timedelta(days=7):
        return "hour"
    if length <= timedelta(days=90):
        return "day"
    return "week" if length <= timedelta(days=365) else "month"


def bucket_edges(window: Window, granularity: Granularity, zone: ZoneInfo) -> list[datetime]:
    """Return the starts of all buckets that overlap `window`, and the end of the last: n + 1 edges for n buckets.

    The first bucket may start before the window and the last end after it; both count only events inside the window.
    """
    edges = _hour_edges(window, zone) if granularity == "hour" else _calendar_edges(window, granularity, zone)
    found: list[datetime] = []
    for edge in edges:
        # A calendar day that the zone skipped starts at the same instant as the next day.
        if found and edge == found[-1]:
            continue
        found.append(edge)
        if edge >= window.end:
            break
    return found


def _calendar_edges(window: Window, granularity: Granularity, zone: ZoneInfo) -> Iterator[datetime]:
    day = local_date(window.start, zone)
    if granularity == "week":
        day -= timedelta(days=day.weekday())
    elif granularity == "month":
        day = day.replace(day=1)
    while True:
        yield start_of_day(day, zone)
        if granularity == "month":
            day = (day + timedelta(days=31)).replace(day=1)
        else:
            day += timedelta(days=1 if granularity == "day" else 7)


def _hour_edges(window: Window, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield local hours in quarter-hour steps: a half-hour clock change makes a short hour, a one-hour change none."""
    quarter = _floor_quarter(window.start)
    label = _hour_label(quarter, zone)
    while _hour_label(quarter - _QUARTER, zone) == label:
        quarter -= _QUARTER
    yield quarter
    while True:
        quarter += _QUARTER
        following = _hour_label(quarter, zone)
        if following != label:
            label = following
            yield quarter


def _floor_quarter(instant: datetime) -> datetime:
    return instant - (instant - EARLIEST) % _QUARTER


def _hour_label(instant: datetime, zone: ZoneInfo) -> tuple[datetime, timedelta | None]:
    local = instant.astimezone(zone)
    return local.replace(minute=0, tzinfo=None), local.utcoffset()
