"""The rollups and projections that the planner chooses from, and the dimensions of students."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from spendmeter_clickhouse.catalogue import DAY, DIMENSIONS, MEASURES, ROLLUPS, ROW_MEASURES, USERS, Dimension

BUCKET: Final = "rollup.bucket"

STUDENT_DIMENSIONS: Final = ("class", "section")
"""Dimensions that count students only: a teacher's calls belong to no class."""
STUDENT_ROLE: Final = "student"


def crossed(dimensions: Sequence[Dimension]) -> Dimension:
    """Return the dimension whose values are the combinations of the values of `dimensions`."""
    if len(dimensions) == 1:
        return dimensions[0]
    columns = dict.fromkeys(column for dimension in dimensions for column in dimension.columns)
    return Dimension(",".join(dimension.name for dimension in dimensions), tuple(columns))


def counts_students(dimension: Dimension) -> bool:
    """Return whether `dimension`, or one that it crosses, counts students only."""
    return any(DIMENSIONS[name].columns[-1] in dimension.columns for name in STUDENT_DIMENSIONS)


_ADDED: Final = frozenset(MEASURES)


@dataclass(frozen=True, slots=True)
class Rollup:
    """One rollup table. A row sums the events of `seconds` seconds from `time` on, per combination of `columns`.

    `time` is the SQL expression for the start of a row's grain: the bucket, or the key of a projection.
    """

    table: str
    seconds: int
    columns: frozenset[str]
    measures: frozenset[str] = _ADDED
    time: str = BUCKET


_15M, _HOURLY, _DAILY = (Rollup(it.table, it.seconds, frozenset(it.columns)) for it in ROLLUPS[:3])
_PERSON_COLUMNS, _LATENCY_COLUMNS = (frozenset(it.columns) for it in ROLLUPS[3:])
_USER_DAILY: Final = Rollup("user_daily", DAY, _PERSON_COLUMNS, _ADDED | {USERS})


def _five_days(columns: frozenset[str], measures: Iterable[str]) -> Rollup:
    # A projection; ClickHouse reads the rows of parts that lack it, with equal sums.
    return Rollup("user_daily", 5 * DAY, columns, frozenset(measures), time="rollup.five_days")


_BY_CLASS = _five_days(_PERSON_COLUMNS - {"user_id", "feature"}, (*ROW_MEASURES, USERS))
_BY_FEATURE = _five_days(frozenset(("feature", "role", "key_source")), (USERS,))
_BY_PERSON = _five_days(_PERSON_COLUMNS - {"feature"}, ROW_MEASURES)

FAMILIES: Final[tuple[tuple[Rollup, ...], ...]] = (
    (_DAILY, _HOURLY, _15M),
    (_BY_CLASS, _USER_DAILY),
    (_BY_FEATURE, _USER_DAILY),
    (_BY_PERSON, _USER_DAILY),
    (_USER_DAILY,),
    (Rollup("latency_daily", DAY, _LATENCY_COLUMNS, frozenset(("latency_requests",))),),
)
"""Families of rollups with the same columns, coarsest first. A query uses the first that has all it needs."""
