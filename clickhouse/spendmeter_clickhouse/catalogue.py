"""The catalogue of dimensions, measures and rollups: the columns of usage, and how they follow from raw events.

Everything else derives from here or is compared with it: the DDL of the rollups (`ddl.schema`), the columns of a block,
repricing, queries, answers and boards. Only `verify` repeats the measures, on purpose.
A column has the same name in `usage_events`, in every rollup and in answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spendmeter_events.event import SYSTEM_USER
from spendmeter_events.usage_units import COMPONENTS, OTHER_UNITS, REASONING, TOKENS, UNITS

EVENTS: Final = "usage_events"
QUARTER: Final = 900
HOUR: Final = 3600
DAY: Final = 86400

COUNT: Final = "UInt64"
SIGNED: Final = "Int64"
USD: Final = "Decimal(38, 12)"
TIME: Final = "DateTime64(3, 'UTC')"
TEXT: Final = "LowCardinality(String)"


@dataclass(frozen=True, slots=True)
class Dimension:
    """One way to group usage. `columns` identify a row of its breakdown; the last one is the dimension itself."""

    name: str
    columns: tuple[str, ...]
    type: str = TEXT
    filter: str = ""
    """Label of the filter on boards; empty for a dimension that is not a filter of every board."""


def _dimensions(*dimensions: Dimension) -> dict[str, Dimension]:
    return {dimension.name: dimension for dimension in dimensions}


DIMENSIONS: Final = _dimensions(
    Dimension("org", ("org_id",), filter="School"),
    # User ids are unique within an org only.
    Dimension("user", ("org_id", "user_id"), "String", filter="User"),
    Dimension("role", ("role",), filter="Role"),
    Dimension("class", ("org_id", "class_name")),
    Dimension("section", ("org_id", "class_name", "section")),
    Dimension("feature", ("feature",), filter="Feature"),
    Dimension("action", ("action",)),
    Dimension("agent", ("agent_id",)),
    Dimension("task", ("task_id",)),
    Dimension("configuration", ("configuration_id",)),
    Dimension("service", ("service",)),
    Dimension("provider", ("provider",), filter="Provider"),
    Dimension("model", ("provider", "model"), filter="Model"),
    Dimension("key_source", ("key_source",), filter="Key"),
    Dimension("status", ("status",)),
    Dimension("error_type", ("error_type",)),
)
COLUMNS: Final = {dimension.columns[-1]: dimension.type for dimension in DIMENSIONS.values()}
"""Column of each dimension → its SQL type."""
LOOKUPS: Final = ("request_id", "conversation_id")
"""Columns of raw events only, which look up the calls of one request or conversation."""
FILTERS: Final = {
    dimension.name: dimension.columns[-1]
    # The user last: its list is the longest.
    for dimension in sorted(DIMENSIONS.values(), key=lambda dimension: dimension.name == "user")
    if dimension.filter
}
"""Variables that filter every board, and the column each one filters. The API filters by every dimension."""
USER_COLUMNS: Final = ("user_id", "class_name", "section")
"""Columns of the single user, which only `user_daily` has."""
ATTRIBUTES: Final = ("role", "class_name", "section")
"""Columns from the directory, as they were at the time of the call; all others come from the event."""

BINS_PER_OCTAVE: Final = 16
"""Latency bins per doubling: bin b starts at 2^(b/16) - 1 ms and is 4.4 % wide."""
LATENCY_BIN: Final = "latency_bin"
EXPRESSIONS: Final = {LATENCY_BIN: f"toUInt16(floor({BINS_PER_OCTAVE} * log2(1 + ifNull(event.latency_ms, 0))))"}
"""Columns of rollups that raw events lack, computed from a row of `usage_events AS event`."""


@dataclass(frozen=True, slots=True)
class Measure:
    """The sum, minimum or maximum of `value` over the events with `when`; without `value`, their number."""

    name: str
    type: str = COUNT
    value: str = ""
    when: str = ""
    function: str = "sum"

    def aggregate(self) -> str:
        """Return the SQL of the aggregate over `usage_events AS event`."""
        if self.when:
            return f"sumIf({self.value}, {self.when})" if self.value else f"countIf({self.when})"
        return f"{self.function}({self.of_row()})"

    def of_row(self) -> str:
        """Return the SQL of one row's contribution."""
        if self.when:
            zero = "toDecimal128(0, 12)" if self.type == USD else "0"
            return f"if({self.when}, {self.value}, {zero})" if self.value else f"toUInt64({self.when})"
        return self.value or f"event.{self.name}"

    @property
    def decimal(self) -> bool:
        """Whether its values are decimals."""
        return self.type.startswith("Decimal")


_MEASURES: Final = (
    Measure("requests"),
    *(Measure(unit.name, f"Decimal(38, {unit.decimals})" if unit.decimals else COUNT) for unit in UNITS),
    Measure(REASONING),
    *(Measure(component, USD) for component in COMPONENTS),
    Measure("cost", USD),
    Measure("cache_savings", USD),
    Measure("provider_cost", USD, "ifNull(event.provider_cost, toDecimal128(0, 12))"),
    Measure("provider_cost_requests", when="event.provider_cost IS NOT NULL"),
    Measure("errors", value="event.requests", when="event.status = 'error'"),
    Measure("partial_requests", SIGNED),
    Measure("unpriced_requests", SIGNED),
    Measure("cache_unpriced_requests", SIGNED),
    Measure("latency_sum", value="toUInt64(ifNull(event.latency_ms, 0))"),
    Measure("latency_requests", when="event.latency_ms IS NOT NULL"),
    Measure("ttft_sum", value="toUInt64(ifNull(event.ttft_ms, 0))"),
    Measure("ttft_requests", when="event.ttft_ms IS NOT NULL"),
    Measure("first_seen", TIME, "event.occurred_at", function="min"),
    Measure("last_seen", TIME, "event.occurred_at", function="max"),
)
STORED: Final = {measure.name: measure for measure in _MEASURES}
"""Measures that every rollup of calls stores, by name."""
CHARGEABLE: Final = Measure("chargeable_cost", USD, "event.cost", "event.key_source = 'platform'")
"""Cost without calls on an org's own keys (BYOK). Not stored: every rollup has the key source."""
MEASURES: Final = {**STORED, CHARGEABLE.name: CHARGEABLE}
USERS: Final = "users"
"""Distinct users with a request, except `system`: a set until all pieces are merged, as they may share users."""

COST_COLUMNS: Final = (*COMPONENTS, "cost", "cache_savings")
"""Amounts of a row of raw events that a repricing changes."""
PRICING_COUNTERS: Final = ("partial_requests", "unpriced_requests", "cache_unpriced_requests")

ROW_MEASURES: Final = (
    "requests", "errors", "cost", CHARGEABLE.name, *TOKENS, *OTHER_UNITS, "latency_sum", "latency_requests",
    "partial_requests", "unpriced_requests", "last_seen",
)  # fmt: skip
"""Measures of every breakdown row and every total."""
TOTAL_MEASURES: Final = (*ROW_MEASURES, *(name for name in STORED if name not in ROW_MEASURES))
"""Measures of a summary."""
POINT_MEASURES: Final = ("requests", "errors", "cost", *TOKENS, "latency_sum", "latency_requests")
"""Measures of each point of a series."""


def is_active_user(alias: str) -> str:
    """Return the condition on `alias` for a user with a request: calls without a user belong to `system`."""
    return f"{alias}requests > 0 AND {is_user(alias)}"


def is_user(alias: str) -> str:
    """Return the condition on `alias` for a user who is not `system`."""
    # A literal, not a bound parameter: ClickHouse matches the expressions of a projection by their text.
    return f"{alias}user_id != '{SYSTEM_USER}'"


def user_set(alias: str) -> str:
    """Return the aggregate state of `users` over the rows of `alias`."""
    return f"uniqExactIfState({alias}org_id, {alias}user_id, {is_active_user(alias)})"


def top_feature(alias: str) -> str:
    """Return the aggregate for the feature with most requests over rows by feature; of equals, the last by name."""
    return f"argMaxIf({alias}feature, ({alias}requests, {alias}feature), {alias}requests > 0)"


@dataclass(frozen=True, slots=True)
class RollupTable:
    """One rollup table: a row sums the events of `seconds` seconds per combination of `columns`."""

    table: str
    seconds: int
    columns: tuple[str, ...]
    measures: tuple[str, ...] = tuple(STORED)
    key: tuple[str, ...] = ("org_id", "bucket", "feature", "provider", "model", "role")
    """The start of the sorting key; the other columns follow."""


_CALL: Final = tuple(column for column in COLUMNS if column not in USER_COLUMNS)
_USER: Final = ("org_id", "user_id", "role", "class_name", "section", "feature", "key_source")
_LATENCY: Final = ("org_id", "role", "feature", "provider", "model", "key_source", LATENCY_BIN)

ROLLUPS: Final = (
    RollupTable("usage_15m", QUARTER, _CALL),
    RollupTable("usage_hourly", HOUR, _CALL),
    RollupTable("usage_daily", DAY, _CALL),
    RollupTable("user_daily", DAY, _USER, key=("org_id", "user_id", "bucket", "feature", "key_source")),
    RollupTable("latency_daily", DAY, _LATENCY, ("latency_requests",)),
)
