"""Schools have their hours, weeks and holidays."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from spendmeter_events import UsageEvent
from spendmeter_events.traffic import generate
from spendmeter_events.traffic._rhythm import Rhythm, expected_sessions, growth
from spendmeter_events.traffic._schools import SCHOOLS, School


def _school(org_id: str) -> School:
    return next(school for school in SCHOOLS if school.org_id == org_id)


def _day(org_id: str, day: date, role: str = "student") -> float:
    hours = expected_sessions(_school(org_id), day)
    return sum(count for hour in hours for acting, count in hour if acting == role)


def test_the_free_day_is_each_countrys_own() -> None:
    saturday, sunday, monday = date(2026, 9, 5), date(2026, 9, 6), date(2026, 9, 1)
    for org_id, free, busy in [
        ("sunrise-delhi", sunday, saturday),
        ("everest-kathmandu", saturday, sunday),
        ("cedar-austin", saturday, monday),
        ("cedar-austin", sunday, monday),
    ]:
        assert _day(org_id, free) < 0.6 * _day(org_id, busy)


def test_feasts_empty_the_school_and_exams_fill_it() -> None:
    usual, exams, feast = date(2026, 9, 3), date(2026, 9, 17), date(2026, 10, 20)
    assert _day("sunrise-delhi", feast) < 0.3 * _day("sunrise-delhi", usual)
    assert _day("sunrise-delhi", exams) > 1.25 * _day("sunrise-delhi", usual)
    assert _day("sunrise-delhi", exams, "teacher") > 1.3 * _day("sunrise-delhi", usual, "teacher")


def test_holidays_may_span_the_new_year() -> None:
    usual = _day("lindenhof-berlin", date(2026, 12, 10))
    for day in (date(2026, 12, 30), date(2027, 1, 2)):
        assert _day("lindenhof-berlin", day) < 0.3 * usual


def test_use_grows_over_the_school_year_within_bounds() -> None:
    days = [date(2026, 7, 1) + timedelta(days=count) for count in range(365)]
    assert [growth(day) for day in days] == sorted(growth(day) for day in days)
    assert growth(days[0]) == 0.7
    assert 1.29 < growth(days[-1]) <= 1.3
    assert growth(date(2028, 6, 30)) == pytest.approx(1.3, abs=0.01)


@pytest.mark.parametrize(
    ("org_id", "hour", "expected"),
    [
        ("sunrise-delhi", datetime(2026, 9, 1, 0, tzinfo=UTC), "06:00"),
        ("everest-kathmandu", datetime(2026, 9, 1, 0, tzinfo=UTC), "06:15"),
        ("maplewood-newyork", datetime(2026, 10, 31, 12, tzinfo=UTC), "08:30"),
        ("maplewood-newyork", datetime(2026, 11, 2, 12, tzinfo=UTC), "07:30"),
    ],
)
def test_a_school_follows_its_own_time_zone(org_id: str, hour: datetime, expected: str) -> None:
    local = Rhythm(_school(org_id)).local(int(hour.timestamp()) // 3600)
    assert f"{local:%H:%M}" == expected


def test_a_role_that_a_school_lacks_never_acts() -> None:
    roles = {role for hour in expected_sessions(_school("independent"), date(2026, 9, 1)) for role, _ in hour}
    assert roles == {"independent_student"}


def test_traffic_follows_the_local_day() -> None:
    end = datetime(2026, 9, 12, tzinfo=UTC)
    events = [UsageEvent.model_validate_json(value) for _, value in generate(seed=2, days=5, end=end)]
    for school in SCHOOLS:
        if not school.students:
            continue
        zone = ZoneInfo(school.timezone)
        hours = Counter(
            event.occurred_at.astimezone(zone).hour
            for event in events
            if event.org_id == school.org_id and event.user_id is not None
        )
        assert sum(hours[hour] for hour in range(5)) < 0.02 * sum(hours.values())
        assert sum(hours[hour] for hour in range(8, 22)) > 0.85 * sum(hours.values())
