"""The catalogue of dimensions, measures and rollups. Every identifier in a query comes from here.

A column has the same name in `usage_events`, in every rollup and in answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

EVENTS: Final = "usage_events"
HOUR: Final = 3600
DAY: Final = 86400
BUCKET: Final = "rollup.bucket"


@dataclass(frozen=True, slots=True)
class Dimension:
    """One way to group usage. `columns` identify a row of its breakdown; the last one is the dimension itself."""

    name: str
    columns: tuple[str, ...]


def _dimensions(*dimensions: Dimension) -> dict[str, Dimension]:
    return {dimension.name: dimension for dimension in dimensions}


DIMENSIONS: Final = _dimensions(
    Dimension("org", ("org_id",)),
    # User ids are unique within an org only.
    Dimension("user", ("org_id", "user_id")),
    Dimension("role", ("role",)),
    Dimension("class", ("org_id", "class_name")),
    Dimension("section", ("org_id", "class_name", "section")),
    Dimension("feature", ("feature",)),
    Dimension("action", ("action",)),
    Dimension("agent", ("agent_id",)),
    Dimension("task", ("task_id",)),
    Dimension("configuration", ("configuration_id",)),
    Dimension("service", ("service",)),
    Dimension("provider", ("provider",)),
    Dimension("model", ("provider", "model")),
    Dimension("key_source", ("key_source",)),
    Dimension("status", ("status",)),
    Dimension("error_type", ("error_type",)),
)

FILTERS: Final = {
    "org": "org_id",
    "role": "role",
    "feature": "feature",
    "provider": "provider",
    "model": "model",
    "key_source": "key_source",
    "user": "user_id",
}
"""Query parameters that filter every answer, and the column each one filters."""

COLUMNS: Final = frozenset(column for dimension in DIMENSIONS.values() for column in dimension.columns)
LATENCY_BIN: Final = "latency_bin"
"""The histogram bin of a call's latency; a grouping column for percentiles only."""

STUDENT_DIMENSIONS: Final = ("class", "section")
"""Dimensions that count students only: a teacher's calls belong to no class."""
STUDENT_ROLE: Final = "student"

TOKENS: Final = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
)
UNITS: Final = ("characters", "audio_seconds", "images", "tool_calls")
COMPONENTS: Final = (
    "input_cost",
    "cache_read_cost",
    "cache_write_cost",
    "output_cost",
    "audio_cost",
    "unit_cost",
)
"""Disjoint parts of `cost`, in USD."""

ROW_MEASURES: Final = (
    "requests",
    "errors",
    "cost",
    "chargeable_cost",
    *TOKENS,
    *UNITS,
    "latency_sum",
    "latency_requests",
    "partial_requests",
    "unpriced_requests",
    "last_seen",
)
"""Measures of every breakdown row and every total."""
TOTAL_MEASURES: Final = (
    *ROW_MEASURES,
    *COMPONENTS,
    "reasoning_tokens",
    "cache_savings",
    "cache_unpriced_requests",
    "provider_cost",
    "provider_cost_requests",
    "ttft_sum",
    "ttft_requests",
    "first_seen",
)
"""Measures of a summary."""
POINT_MEASURES: Final = ("requests", "errors", "cost", *TOKENS, "latency_sum", "latency_requests")
"""Measures of each point of a series."""

USERS: Final = "users"
"""Distinct users with a request, without `system`. A set until all pieces are merged: a user may be in several."""

_ADDED: Final = frozenset(TOTAL_MEASURES)
MEASURES: Final = _ADDED | {USERS}


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


_CALL_COLUMNS = COLUMNS - {"user_id", "class_name", "section"}
_PERSON_COLUMNS = frozenset(("org_id", "user_id", "role", "class_name", "section", "feature", "key_source"))
_LATENCY_COLUMNS = frozenset(("org_id", "role", "feature", "provider", "model", "key_source", LATENCY_BIN))

_USER_DAILY = Rollup("user_daily", DAY, _PERSON_COLUMNS, MEASURES)


def _five_days(columns: frozenset[str], measures: Iterable[str]) -> Rollup:
    # A projection (0003_projections.sql); ClickHouse reads the rows of parts that lack it, with equal sums.
    return Rollup("user_daily", 5 * DAY, columns, frozenset(measures), time="rollup.five_days")


_BY_CLASS = _five_days(_PERSON_COLUMNS - {"user_id", "feature"}, (*ROW_MEASURES, USERS))
_BY_FEATURE = _five_days(frozenset(("feature", "role", "key_source")), (USERS,))
_BY_PERSON = _five_days(_PERSON_COLUMNS - {"feature"}, ROW_MEASURES)

FAMILIES: Final[tuple[tuple[Rollup, ...], ...]] = (
    (
        Rollup("usage_daily", DAY, _CALL_COLUMNS),
        Rollup("usage_hourly", HOUR, _CALL_COLUMNS),
        Rollup("usage_15m", HOUR // 4, _CALL_COLUMNS),
    ),
    (_BY_CLASS, _USER_DAILY),
    (_BY_FEATURE, _USER_DAILY),
    (_BY_PERSON, _USER_DAILY),
    (_USER_DAILY,),
    (Rollup("latency_daily", DAY, _LATENCY_COLUMNS, frozenset(("latency_requests",))),),
)
"""Families of rollups with the same columns, coarsest first. A query uses the first that has all it needs."""
