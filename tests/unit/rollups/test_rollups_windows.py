"""Windows and buckets on difficult days: clock changes, leap days, month ends, odd offsets (rows 4 and 5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spendmeter_rollups.query.windows import (
    Window,
    auto_granularity,
    bucket_edges,
    preset_window,
    same_period,
    start_of_day,
)

KOLKATA = ZoneInfo("Asia/Kolkata")
KATHMANDU = ZoneInfo("Asia/Kathmandu")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
UTC_ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def window(preset: str, *, now: datetime = NOW, zone: ZoneInfo = UTC_ZONE) -> tuple[datetime, datetime]:
    found = preset_window(preset, now=now, zone=zone, first_event=at("2025-03-04T05:06:07Z"))
    return found.start, found.end


@pytest.mark.parametrize(
    ("preset", "start"),
    [
        ("today", "2026-11-22T00:00Z"),
        ("7d", "2026-11-16T00:00Z"),
        ("30d", "2026-10-24T00:00Z"),
        ("90d", "2026-08-25T00:00Z"),
        ("mtd", "2026-11-01T00:00Z"),
        ("ytd", "2026-01-01T00:00Z"),
        ("all", "2025-03-04T00:00Z"),
        ("no such preset", "2026-10-24T00:00Z"),
    ],
)
def test_presets_begin_at_a_local_midnight_and_end_now(preset: str, start: str) -> None:
    assert window(preset) == (at(start), NOW)


def test_last_month_is_the_whole_calendar_month() -> None:
    assert window("last_month") == (at("2026-10-01T00:00Z"), at("2026-11-01T00:00Z"))
    assert window("last_month", now=at("2024-03-31T12:00Z")) == (at("2024-02-01T00:00Z"), at("2024-03-01T00:00Z"))
    assert window("last_month", now=at("2026-01-01T00:00Z")) == (at("2025-12-01T00:00Z"), at("2026-01-01T00:00Z"))


def test_the_day_is_the_callers_day() -> None:
    # 19:00 UTC is the next day in India and Nepal, and the same day in New York.
    evening = at("2026-11-21T19:00Z")
    assert window("today", now=evening, zone=KOLKATA)[0] == at("2026-11-22T00:00+05:30")
    assert window("today", now=evening, zone=KATHMANDU)[0] == at("2026-11-22T00:00+05:45")
    assert window("today", now=evening, zone=NEW_YORK)[0] == at("2026-11-21T00:00-05:00")


def test_a_window_is_never_empty_not_even_at_midnight() -> None:
    start, end = window("today", now=at("2026-11-22T00:00Z"))
    assert start < end


def test_previous_is_the_equal_length_before() -> None:
    found = Window(at("2026-03-01T00:00Z"), at("2026-04-01T00:00Z"))
    assert found.previous() == Window(at("2026-01-29T00:00Z"), at("2026-03-01T00:00Z"))


def test_yesterday_is_a_whole_local_day_and_24h_a_rolling_one() -> None:
    evening = at("2026-11-21T19:00Z")
    assert window("yesterday", now=evening, zone=KOLKATA) == (
        at("2026-11-21T00:00+05:30"),
        at("2026-11-22T00:00+05:30"),
    )
    assert window("24h") == (NOW - timedelta(days=1), NOW)


@pytest.mark.parametrize(
    ("preset", "now", "start", "end"),
    [
        ("today", "2026-11-22T09:30Z", "2026-11-21T00:00Z", "2026-11-21T09:30Z"),
        ("yesterday", "2026-11-22T09:30Z", "2026-11-20T00:00Z", "2026-11-21T00:00Z"),
        ("24h", "2026-11-22T09:30Z", "2026-11-20T09:30Z", "2026-11-21T09:30Z"),
        ("7d", "2026-11-22T09:30Z", "2026-11-09T00:00Z", "2026-11-15T09:30Z"),
        ("mtd", "2026-11-22T09:30Z", "2026-10-01T00:00Z", "2026-10-22T09:30Z"),
        ("mtd", "2026-03-30T09:30Z", "2026-02-01T00:00Z", "2026-03-01T00:00Z"),
        ("mtd", "2026-01-05T09:30Z", "2025-12-01T00:00Z", "2025-12-05T09:30Z"),
        ("last_month", "2026-03-15T09:30Z", "2026-01-01T00:00Z", "2026-02-01T00:00Z"),
        ("ytd", "2026-11-22T09:30Z", "2025-01-01T00:00Z", "2025-11-22T09:30Z"),
        ("ytd", "2028-02-29T09:30Z", "2027-01-01T00:00Z", "2027-03-01T00:00Z"),
    ],
)
def test_the_same_period_has_the_same_days_and_hours(preset: str, now: str, start: str, end: str) -> None:
    found = Window(*window(preset, now=at(now)))
    assert same_period(preset, found, UTC_ZONE) == Window(at(start), at(end))


def test_the_same_period_of_any_window_is_whole_days_before_in_local_time() -> None:
    hours = Window(at("2026-11-02T10:00-05:00"), at("2026-11-02T12:00-05:00"))
    # The day before had 25 hours.
    assert same_period("custom", hours, NEW_YORK).start == at("2026-11-01T10:00-05:00")
    before = Window(at("2026-11-01T10:00-05:00"), at("2026-11-01T12:00-05:00"))
    assert same_period("custom", before, NEW_YORK).start == at("2026-10-31T10:00-04:00")
    week = Window(at("2026-11-02T00:00Z"), at("2026-11-09T00:00Z"))
    assert same_period("custom", week, UTC_ZONE) == week.previous()


@pytest.mark.parametrize(
    ("days", "expected"),
    [(7, "hour"), (8, "day"), (90, "day"), (91, "week"), (365, "week"), (366, "month")],
)
def test_auto_granularity_changes_at_the_documented_limits(days: int, expected: str) -> None:
    start = at("2026-01-01T00:00Z")
    assert auto_granularity(Window(start, start + timedelta(days=days)), UTC_ZONE) == expected


def test_seven_days_with_a_clock_change_are_seven_days() -> None:
    week = Window(at("2026-10-29T00:00-04:00"), at("2026-11-05T00:00-05:00"))
    assert week.length == timedelta(days=7, hours=1)
    assert auto_granularity(week, NEW_YORK) == "hour"


def days(zone: ZoneInfo, first: str, last: str) -> list[timedelta]:
    edges = bucket_edges(Window(at(first), at(last)), "day", zone)
    return [later - earlier for earlier, later in pairwise(edges)]


def test_days_of_clock_changes_have_23_and_25_hours() -> None:
    assert days(NEW_YORK, "2026-03-07T12:00-05:00", "2026-03-09T12:00-04:00") == [
        timedelta(hours=24),
        timedelta(hours=23),
        timedelta(hours=24),
    ]
    assert days(NEW_YORK, "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00") == [timedelta(hours=25)]
    assert days(LORD_HOWE, "2026-04-05T00:00+11:00", "2026-04-06T00:00+10:30") == [timedelta(hours=24, minutes=30)]


def test_a_skipped_midnight_begins_the_day_at_the_skip() -> None:
    # Cairo's clocks went from 00:00 to 01:00 on 24 April 2026.
    cairo = ZoneInfo("Africa/Cairo")
    assert start_of_day(at("2026-04-24").date(), cairo) == at("2026-04-24T01:00+03:00")
    assert days(cairo, "2026-04-23T12:00+02:00", "2026-04-24T12:00+03:00") == [timedelta(hours=24), timedelta(hours=23)]


def test_a_skipped_day_leaves_no_bucket_behind() -> None:
    # Samoa had no 30 December 2011.
    apia = ZoneInfo("Pacific/Apia")
    edges = bucket_edges(Window(at("2011-12-29T12:00-10:00"), at("2011-12-31T12:00+14:00")), "day", apia)
    assert [edge.astimezone(apia).date().isoformat() for edge in edges] == ["2011-12-29", "2011-12-31", "2012-01-01"]


def test_leap_day_and_month_ends() -> None:
    february = bucket_edges(Window(at("2024-02-01T00:00Z"), at("2024-03-01T00:00Z")), "day", UTC_ZONE)
    assert len(february) == 30
    months = bucket_edges(Window(at("2025-12-31T23:59Z"), at("2026-03-01T00:01Z")), "month", UTC_ZONE)
    assert [f"{edge:%Y-%m-%d}" for edge in months] == [
        "2025-12-01",
        "2026-01-01",
        "2026-02-01",
        "2026-03-01",
        "2026-04-01",
    ]


def test_weeks_begin_on_monday() -> None:
    edges = bucket_edges(Window(at("2026-11-22T00:00Z"), at("2026-11-24T00:00Z")), "week", UTC_ZONE)
    assert [f"{edge:%a %Y-%m-%d}" for edge in edges] == ["Mon 2026-11-16", "Mon 2026-11-23", "Mon 2026-11-30"]


def test_an_hour_that_happens_twice_is_two_buckets() -> None:
    edges = bucket_edges(Window(at("2026-11-01T00:00-04:00"), at("2026-11-01T03:00-05:00")), "hour", NEW_YORK)
    labels = [edge.astimezone(NEW_YORK).strftime("%H:%M%z") for edge in edges]
    assert labels == ["00:00-0400", "01:00-0400", "01:00-0500", "02:00-0500", "03:00-0500"]


def test_a_half_hour_clock_change_makes_a_short_hour() -> None:
    edges = bucket_edges(Window(at("2026-10-04T01:00+10:30"), at("2026-10-04T04:00+11:00")), "hour", LORD_HOWE)
    labels = [edge.astimezone(LORD_HOWE).strftime("%H:%M") for edge in edges]
    assert labels == ["01:00", "02:30", "03:00", "04:00"]


zones = st.sampled_from(["UTC", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Africa/Cairo"])
moments = st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


@given(
    start=moments,
    length=st.integers(1, 40 * 86_400_000),
    zone=zones,
    granularity=st.sampled_from(["hour", "day", "week", "month"]),
)
def test_buckets_cover_the_window_once(start: datetime, length: int, zone: str, granularity: str) -> None:
    found = Window(start, start + timedelta(milliseconds=length))
    edges = bucket_edges(found, granularity, ZoneInfo(zone))  # type: ignore[arg-type]
    assert edges[0] <= found.start < edges[1]
    assert edges[-2] < found.end <= edges[-1]
    assert all(earlier < later for earlier, later in pairwise(edges))


@given(moment=moments, hours=st.floats(0.01, 24 * 400), zone=zones.map(ZoneInfo))
def test_the_same_period_is_never_empty_and_ends_before_the_window(
    moment: datetime, hours: float, zone: ZoneInfo
) -> None:
    found = Window(moment, moment + timedelta(hours=hours))
    for preset in ("custom", "today", "24h", "mtd"):
        earlier = same_period(preset, found, zone)
        assert earlier.start < earlier.end <= found.start
