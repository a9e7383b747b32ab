"""Daily and yearly pattern of each school: hours, weekdays, holidays, exams and growth, in its time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from spendmeter_events.traffic._schools import DateRange, School

# Sessions per person on a school day.
_DAILY: Final = {
    "student": 0.5,
    "independent_student": 0.55,
    "teacher": 1.9,
    "admin": 1.4,
    "parent": 0.2,
    "super_admin": 3.0,
}
# Weights by hour of the day, 0 to 23.
_LESSONS_AND_HOMEWORK: Final = (0, 0, 0, 0, 0, 1, 3, 4, 10, 14, 15, 14, 9, 10, 12, 8, 10, 14, 19, 22, 18, 10, 4, 1)
_DESK_AND_EVENING: Final = (0, 0, 0, 0, 0, 1, 4, 9, 13, 12, 12, 11, 8, 10, 12, 9, 6, 4, 4, 6, 8, 6, 2, 0)
_OFFICE: Final = (0, 0, 0, 0, 0, 0, 0, 3, 9, 13, 14, 13, 7, 11, 13, 12, 8, 3, 1, 1, 1, 0, 0, 0)
_EVENING: Final = (0, 0, 0, 0, 0, 0, 2, 4, 3, 2, 2, 2, 4, 3, 2, 2, 3, 6, 10, 14, 14, 9, 3, 1)
_FREE_DAY: Final = (1, 0, 0, 0, 0, 0, 1, 3, 6, 9, 11, 11, 9, 8, 9, 10, 11, 12, 12, 11, 9, 6, 4, 2)
_HOURS: Final = {
    "student": _LESSONS_AND_HOMEWORK,
    "independent_student": _EVENING,
    "teacher": _DESK_AND_EVENING,
    "admin": _OFFICE,
    "parent": _EVENING,
    "super_admin": _OFFICE,
}
# Activity relative to a school day: (weekend, holiday, exam weeks).
_FACTORS: Final = {
    "student": (0.45, 0.18, 1.35),
    "independent_student": (1.25, 1.0, 1.1),
    "teacher": (0.25, 0.12, 1.45),
    "admin": (0.08, 0.05, 1.1),
    "parent": (0.9, 0.5, 1.3),
    "super_admin": (0.15, 0.3, 1.0),
}


HourlySessions = tuple[tuple[tuple[str, float], ...], ...]
"""For each hour of a local day: (role, expected sessions) of the active roles."""


class Rhythm:
    """Expected sessions of one school by local time."""

    def __init__(self, school: School) -> None:
        self._school = school
        self._zone = ZoneInfo(school.timezone)
        self._today: tuple[date, HourlySessions] = (date.min, ())

    def local(self, hour: int) -> datetime:
        """Return the local time at the middle of the UTC hour `hour` (hours since 1970): offsets may be at :30."""
        return datetime.fromtimestamp(hour * 3600 + 1800, UTC).astimezone(self._zone)

    def sessions(self, local: datetime) -> tuple[tuple[str, float], ...]:
        """Return (role, expected sessions) in the hour of a local time."""
        day = local.date()
        if self._today[0] != day:
            self._today = (day, expected_sessions(self._school, day))
        return self._today[1][local.hour]


def expected_sessions(school: School, day: date) -> HourlySessions:
    """Return the expected sessions of each role per hour of a local day."""
    holiday = _within(day, school.holidays)
    free = holiday or day.weekday() not in school.school_days
    exams = _within(day, school.exams)
    per_day = {}
    for role, heads in _head_counts(school):
        on_weekends, on_holidays, in_exams = _FACTORS[role]
        factor = on_holidays if holiday else (on_weekends if free else 1.0) * (in_exams if exams else 1.0)
        per_day[role] = heads * _DAILY[role] * factor * growth(day)
    shares = {role: _FREE_DAY if free else _HOURS[role] for role in per_day}
    return tuple(
        tuple((role, per_day[role] * share[hour] / sum(share)) for role, share in shares.items() if share[hour])
        for hour in range(24)
    )


def growth(day: date) -> float:
    """Return the growth factor of a day: from 0.7 of the yearly mean in July to 1.3 in the next June."""
    first = date(day.year if day.month >= 7 else day.year - 1, 7, 1)
    return 0.7 + 0.6 * (day - first) / timedelta(days=365)


def _head_counts(school: School) -> tuple[tuple[str, int], ...]:
    heads = {
        "student": school.students,
        "independent_student": school.independent_students,
        "teacher": school.teachers,
        "admin": school.admins,
        "parent": school.parents,
        "super_admin": school.super_admins,
    }
    return tuple((role, count) for role, count in heads.items() if count)


def _within(day: date, spans: tuple[DateRange, ...]) -> bool:
    today = (day.month, day.day)
    return any(first <= today <= last if first <= last else today >= first or today <= last for first, last in spans)
