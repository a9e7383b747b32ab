"""Projections of the rollups: which columns and measures each one keeps, and what it saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spendmeter_clickhouse.catalogue import CHARGEABLE, POINT_MEASURES, ROW_MEASURES, TOTAL_MEASURES, USERS
from spendmeter_events.units import TOKENS

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
    """What the queries that it serves read and cost with it and without it, measured by `benchmarks.projections`."""


PROJECTIONS: Final = (
    Projection("by_org", ("usage_daily",), ("org_id", "key_source"), TOTAL_MEASURES),
    Projection(
        "by_model",
        ("usage_daily",),
        ("role", "feature", "action", "service", "provider", "model", "key_source", "status", "error_type"),
        TOTAL_MEASURES,
    ),
    Projection("by_task", ("usage_daily",), ("agent_id", "task_id", "configuration_id", "key_source"), ROW_MEASURES),
    Projection(
        "by_outcome", ("usage_daily",), ("provider", "model", "status", "error_type", "key_source"), TOTAL_MEASURES
    ),
    Projection("by_org", _ENDS, ("org_id", "key_source"), _SERIES),
    Projection("by_time", _ENDS, ("key_source",), _SERIES),
    Projection("by_model", _ENDS, ("provider", "model", "key_source"), TOTAL_MEASURES),
    Projection("by_feature", _CALLS, ("role", "feature", "action", "service", "key_source"), ROW_MEASURES),
    Projection(
        "by_person",
        ("user_daily",),
        ("org_id", "user_id", "role", "class_name", "section", "key_source"),
        ROW_MEASURES,
        time="five_days",
    ),
    Projection(
        "by_day",
        ("user_daily",),
        ("org_id", "user_id", "role", "class_name", "section", "key_source"),
        ("requests", "errors", "cost", *TOKENS),
    ),
    Projection(
        "by_class",
        ("user_daily",),
        ("org_id", "role", "class_name", "section", "key_source"),
        (*ROW_MEASURES, USERS),
        time="five_days",
    ),
    Projection(
        "by_class_day",
        ("user_daily",),
        ("org_id", "role", "class_name", "section", "key_source"),
        (*ROW_MEASURES, USERS),
    ),
    Projection(
        "by_feature",
        ("user_daily",),
        ("feature", "role", "key_source"),
        (USERS,),
        time="five_days",
        settings="index_granularity = 8",
    ),
    Projection(
        "by_feature_day",
        ("user_daily",),
        ("feature", "role", "key_source"),
        (USERS,),
        settings="index_granularity = 8",
    ),
    Projection("by_model", ("latency_daily",), ("provider", "model", "latency_bin"), ("latency_requests",)),
    Projection("totals", (*_CALLS, "user_daily"), (), ("requests", "cost")),
    Projection("totals", ("latency_daily",), (), ("latency_requests",)),
)
