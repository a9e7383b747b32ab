"""The one list of dimensions, measures and rollups. Queries take every identifier from here.

A column keeps its name from `usage_events` through every rollup into the answers.
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
    """One way to cut usage. `columns` make one row of its breakdown; the last is the dimension itself."""

    name: str
    columns: tuple[str, ...]


def _dimensions(*dimensions: Dimension) -> dict[str, Dimension]:
    return {dimension.name: dimension for dimension in dimensions}


DIMENSIONS: Final = _dimensions(
    Dimension("org", ("org_id",)),
    # Two orgs may number their users alike, so a user is never named without the org.
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
"""Query parameters that narrow every answer, and the column each compares."""

COLUMNS: Final = frozenset(column for dimension in DIMENSIONS.values() for column in dimension.columns)
LATENCY_BIN: Final = "latency_bin"
"""The bin a call's latency falls into: grouped by for percentiles alone."""

STUDENT_DIMENSIONS: Final = ("class", "section")
"""Classes and sections are those of students; a teacher's calls belong to no class."""
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
"""What every row of a breakdown and every total carries."""
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
"""What a summary carries besides."""
POINT_MEASURES: Final = ("requests", "errors", "cost", *TOKENS, "latency_sum", "latency_requests")
"""What each point of a series carries."""

USERS: Final = "users"
"""How many users made a request; `system` is none. A set until all pieces are joined: one user may be in several."""

_ADDED: Final = frozenset(TOTAL_MEASURES)
MEASURES: Final = _ADDED | {USERS}


@dataclass(frozen=True, slots=True)
class Rollup:
    """One rollup table: a row sums the events of `seconds` from `time` on, per combination of `columns`.

    `time` is the start of a row's grain: its bucket, or what the key of a projection makes of it.
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
    # A projection of 0017_more_projections.sql; where a part has none, the same sums come from its rows.
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
"""Rollups of the same columns, coarsest first. The first family that keeps all that a question needs answers it."""
