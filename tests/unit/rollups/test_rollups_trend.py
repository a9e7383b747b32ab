"""The days that are points of a trend, and the projected days (rows 14 and 17)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from spendmeter_rollups.forecast.trend import Day, complete_days, days_left, extend_trend, trend_window
from spendmeter_rollups.query.windows import Window

ZONE = ZoneInfo("UTC")
FIRST = date(2026, 11, 1)


def line(days: int, *, first: date = FIRST) -> dict[date, Day]:
    """Return 1 USD on the first day, 2 on the next, and so on."""
    dates = [first + timedelta(days=number) for number in range(days)]
    return {day: Day(day, Decimal(number), 1) for number, day in enumerate(dates, start=1)}


@pytest.mark.parametrize("begin", [0, 1, 14])
def test_a_window_that_begins_inside_a_day_does_not_shift_the_line(begin: int) -> None:
    """The incomplete first day is left out; the line of the others must still give the same value for tomorrow."""
    now = datetime(2026, 11, 15, 12, tzinfo=UTC)
    window = Window(datetime(2026, 11, 1, begin, tzinfo=UTC), now)
    points = complete_days(line(15), window=window, zone=ZONE, now=now)
    assert len(points) == (14 if begin == 0 else 13)
    left = days_left(now, ZONE, datetime(2026, 12, 1, tzinfo=UTC))
    found = extend_trend(points, left, spent=Decimal(0))
    assert found is not None
    assert left[:2] == [(date(2026, 11, 15), 0.5), (date(2026, 11, 16), 1.0)]
    assert found.days[:3] == pytest.approx((15 / 2, 16, 17))
    assert found.lower == pytest.approx(found.upper)


def test_days_without_usage_are_points_and_days_before_the_first_call_are_none() -> None:
    now = datetime(2026, 11, 10, 6, tzinfo=UTC)
    window = Window(datetime(2026, 10, 1, tzinfo=UTC), now)
    days = {day: used for day, used in line(9).items() if day.day != 4}
    points = complete_days(days, window=window, zone=ZONE, now=now)
    assert [point.cost for point in points] == [1, 2, 3, 0, 5, 6, 7, 8, 9]
    assert extend_trend(points[:7], days_left(now, ZONE, datetime(2026, 12, 1, tzinfo=UTC)), spent=Decimal(0)) is None


def test_the_days_of_a_clock_change_are_whole_days() -> None:
    zone = ZoneInfo("Europe/Berlin")
    now = datetime(2026, 10, 25, 12, tzinfo=UTC)
    left = days_left(now, zone, datetime(2026, 10, 31, 23, tzinfo=UTC))
    # A day of 25 hours: it began at 22:00 UTC and ends at 23:00 UTC.
    first, share = left[0]
    assert first == date(2026, 10, 25)
    assert share == pytest.approx(11 / 25)
    assert [day.day for day, _ in left] == [25, 26, 27, 28, 29, 30, 31]


@pytest.mark.parametrize(("zone", "offset"), [("UTC", 0), ("Asia/Kolkata", 5.5)])
def test_seven_days_have_seven_complete_days(zone: str, offset: float) -> None:
    """Today is not a complete day, so seven days including today would never have enough points."""
    local, now = ZoneInfo(zone), datetime(2026, 11, 22, 9, tzinfo=UTC)
    window = Window(datetime(2026, 11, 16, tzinfo=UTC) - timedelta(hours=offset), now)
    wider = trend_window(window, zone=local, now=now)
    assert wider == Window(window.start - timedelta(days=1), now)
    points = complete_days(line(8, first=date(2026, 11, 15)), window=wider, zone=local, now=now)
    assert [point.date.day for point in points] == [15, 16, 17, 18, 19, 20, 21]


def test_other_windows_of_a_trend_are_as_requested() -> None:
    now = datetime(2026, 11, 22, 9, tzinfo=UTC)
    for first, last in ((17, now), (15, now), (16, datetime(2026, 11, 20, tzinfo=UTC))):
        window = Window(datetime(2026, 11, first, tzinfo=UTC), last)
        assert trend_window(window, zone=ZONE, now=now) == window
    inside = Window(datetime(2026, 11, 16, 1, tzinfo=UTC), now)
    assert trend_window(inside, zone=ZONE, now=now) == inside
