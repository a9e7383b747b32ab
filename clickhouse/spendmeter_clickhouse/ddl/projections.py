"""Projections of the rollups: which columns and measures each one keeps, and what it saves."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import cache
from typing import Final

from spendmeter_clickhouse.catalogue import CHARGEABLE, POINT_MEASURES, ROW_MEASURES, TOTAL_MEASURES, USERS
from spendmeter_events.usage_units import TOKENS

_SERIES: Final = (*POINT_MEASURES, CHARGEABLE.name, "cache_savings", "cache_unpriced_requests")
_CALLS: Final = ("usage_daily", "usage_hourly", "usage_15m")
_ENDS: Final = ("usage_hourly", "usage_15m")


@dataclass(frozen=True, slots=True)
class Projection:
    """An aggregate inside each part of `tables`, by `time` and `columns`."""

    name: str
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    measures: tuple[str, ...]
    time: str = "bucket"
    settings: str = ""
    gain: str = ""
    """CPU time of a query with it and without it, measured by `benchmarks.projections` at 3 million events."""


PROJECTIONS: Final = (
    Projection("by_org", ("usage_daily",), ("org_id", "key_source"), TOTAL_MEASURES, gain="orgs: 17 ms, 59 without"),
    Projection(
        "by_model",
        ("usage_daily",),
        ("role", "feature", "action", "service", "provider", "model", "key_source", "status", "error_type"),
        TOTAL_MEASURES,
        gain="models of a role: 27 ms, 70 without",
    ),
    Projection(
        "by_task",
        ("usage_daily",),
        ("agent_id", "task_id", "configuration_id", "key_source"),
        ROW_MEASURES,
        gain="agents: 17 ms, 65 without",
    ),
    Projection(
        "by_outcome",
        ("usage_daily",),
        ("provider", "model", "status", "error_type", "key_source"),
        TOTAL_MEASURES,
        gain="totals of a summary: 25 ms, 71 from by_model",
    ),
    Projection(
        "by_org",
        _ENDS,
        ("org_id", "key_source"),
        _SERIES,
        gain="hours by org: 37 ms, 73 without; days of India by org: 52 ms, 110 without",
    ),
    Projection(
        "by_model",
        _ENDS,
        ("provider", "model", "key_source"),
        TOTAL_MEASURES,
        gain="models at the ends of a window: 15 ms, 88 without, by hour; 12 ms, 55 without, by quarter",
    ),
    Projection(
        "by_feature",
        _CALLS,
        ("role", "feature", "action", "service", "key_source"),
        ROW_MEASURES,
        gain="features: 12 ms, 26 from by_model; at the ends of a window 17 ms, 83 without (hours), 13 ms, 54 without",
    ),
    Projection(
        "by_person",
        ("user_daily",),
        ("org_id", "user_id", "role", "class_name", "section", "key_source"),
        ROW_MEASURES,
        time="five_days",
        gain="users by cost: 96 ms, 161 without",
    ),
    Projection(
        "by_day",
        ("user_daily",),
        ("org_id", "user_id", "role", "class_name", "section", "key_source"),
        ("requests", "errors", "cost", *TOKENS),
        gain="users of days outside whole five-day periods: 71 ms, 114 without",
    ),
    Projection(
        "by_class",
        ("user_daily",),
        ("org_id", "role", "class_name", "section", "key_source"),
        (*ROW_MEASURES, USERS),
        time="five_days",
        gain="classes: 50 ms, 142 from by_person; their users: 37 ms, 148 without",
    ),
    Projection(
        "by_class_day",
        ("user_daily",),
        ("org_id", "role", "class_name", "section", "key_source"),
        (*ROW_MEASURES, USERS),
        gain="users of classes, days outside whole five-day periods: 44 ms, 253 without",
    ),
    Projection(
        "by_feature",
        ("user_daily",),
        ("feature", "role", "key_source"),
        (USERS,),
        time="five_days",
        settings="index_granularity = 8",
        gain="users of features: 42 ms, 152 without",
    ),
    Projection(
        "by_feature_day",
        ("user_daily",),
        ("feature", "role", "key_source"),
        (USERS,),
        settings="index_granularity = 8",
        gain="users of features, days outside whole five-day periods: 15 ms, 75 without",
    ),
    Projection(
        "by_model",
        ("latency_daily",),
        ("provider", "model", "latency_bin"),
        ("latency_requests",),
        gain="percentiles: 7 ms, 51 without",
    ),
    Projection(
        "totals",
        (*_CALLS, "user_daily"),
        (),
        ("requests", "cost"),
        gain="drift check: 9 ms, 17 to 21 without, by hour and quarter; the others grow with orgs and users",
    ),
    Projection("totals", ("latency_daily",), (), ("latency_requests",), gain="drift check: 5 ms, 12 without"),
)
"""Measured and dropped: hours and quarters of all calls (12 ms, 15 to 18 from by_model)."""

_SMALLER: Final = ("by_outcome", "by_model", "by_class", "by_class_day")
"""Read before others with all columns of a query: their number of rows does not grow with orgs or tasks."""


@cache
def projection_of(table: str, time: str, columns: Set[str], measures: Set[str]) -> str:
    """Return the projection that sums `measures` of `table` by `time` and `columns` from fewest rows; "" if none can.

    If a query names its projection, ClickHouse does not analyse the others, which takes 8 of 23 ms.
    """
    able = [
        each
        for each in PROJECTIONS
        if table in each.tables and each.time == time and columns <= {*each.columns} and measures <= {*each.measures}
    ]
    # Fewer columns have fewer rows, if the others have them too.
    least = [each for each in able if not any({*other.columns} < {*each.columns} for other in able)]
    return min(least, key=lambda each: each.name not in _SMALLER).name if least else ""
