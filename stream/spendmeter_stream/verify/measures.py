"""Define how measures and buckets follow from an event a second time, independently of the views of the rollups.

Names come from the catalogue, so that nothing is left out. The expressions are stated here and in the catalogue, from
which the views are generated, on purpose: a fault in either shows as a difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from spendmeter_clickhouse import catalogue
from spendmeter_clickhouse.catalogue import STORED

_DERIVED: Final = {
    "provider_cost": "ifNull(event.provider_cost, toDecimal128(0, 12))",
    "provider_cost_requests": "toUInt64(event.provider_cost IS NOT NULL)",
    "errors": "if(event.status = 'error', event.requests, 0)",
    "latency_sum": "toUInt64(ifNull(event.latency_ms, 0))",
    "latency_requests": "toUInt64(event.latency_ms IS NOT NULL)",
    "ttft_sum": "toUInt64(ifNull(event.ttft_ms, 0))",
    "ttft_requests": "toUInt64(event.ttft_ms IS NOT NULL)",
}
"""Expressions of one event for measures that are not columns of `usage_events`."""

SUMS: Final = tuple(name for name, measure in STORED.items() if measure.function == "sum")
EXTREMES: Final = {"first_seen": "min", "last_seen": "max"}
PLACEMENT: Final = "by_key"
"""A measure of all sums, weighted with a hash of the row's key (every dimension and the bucket). It differs if totals
are equal but filed under wrong keys, such as a cost in the wrong hour or model."""

_LATENCY_BIN: Final = "toUInt16(floor(16 * log2(1 + ifNull(event.latency_ms, 0))))"


@dataclass(frozen=True, slots=True)
class CheckedRollup:
    """A rollup table: the expression of an event's bucket (UTC), the key columns and the measures."""

    table: str
    bucket: str
    key: tuple[str, ...]
    sums: tuple[str, ...]
    extremes: tuple[str, ...]

    @property
    def measures(self) -> tuple[str, ...]:
        """Return the measure names in the order of the query results."""
        return (*self.sums, *self.extremes, PLACEMENT)


_DAY: Final = "toStartOfInterval(event.occurred_at, INTERVAL 1 DAY)"
_BUCKETS: Final = {
    "usage_15m": "toStartOfInterval(event.occurred_at, INTERVAL 15 MINUTE)",
    "usage_hourly": "toStartOfInterval(event.occurred_at, INTERVAL 1 HOUR)",
    **dict.fromkeys(("usage_daily", "user_daily", "latency_daily"), _DAY),
}
ROLLUPS: Final = tuple(
    CheckedRollup(
        rollup.table,
        _BUCKETS[rollup.table],
        tuple(column for column in rollup.columns if column != "org_id"),
        tuple(name for name in rollup.measures if name not in EXTREMES),
        tuple(name for name in rollup.measures if name in EXTREMES),
    )
    for rollup in catalogue.ROLLUPS
)


def of_event(measure: str) -> str:
    """Return the expression of one row of `usage_events` for the sum `measure`."""
    # A measure that the catalogue derives needs an expression here as well: KeyError, not a copy of the catalogue's.
    derived = STORED[measure].value or STORED[measure].when
    return _DERIVED[measure] if derived else f"event.{measure}"


def raw_key(rollup: CheckedRollup) -> str:
    """Return the hash of the key under which `rollup` must count an event."""
    columns = (_LATENCY_BIN if column == "latency_bin" else f"event.{column}" for column in rollup.key)
    return _hash(rollup.bucket, columns)


def rolled_key(rollup: CheckedRollup) -> str:
    """Return the hash of the key of a row of `rollup`."""
    return _hash("rolled.bucket", (f"rolled.{column}" for column in rollup.key))


def weight(values: dict[str, str]) -> str:
    """Return an expression that combines one row's sums modulo 2^64, each multiplied by its own odd factor.

    :param values: measure → expression for one row.
    """
    return "\n+ ".join(
        f"{_factor(SUMS.index(measure))} * {_as_integer(measure, value)}" for measure, value in values.items()
    )


def _hash(bucket: str, columns: Iterable[str]) -> str:
    return f"cityHash64(toUnixTimestamp({bucket}), {', '.join(columns)})"


def _as_integer(measure: str, value: str) -> str:
    # The bytes of a decimal are an integer of 1e-12 (or 1e-3), and sums modulo 2^64 are additive.
    return f"reinterpretAsUInt64({value})" if STORED[measure].decimal else f"toUInt64({value})"


def _factor(index: int) -> int:
    """Return an odd number below 2^64, unique per index (multiples of the golden ratio)."""
    return ((index + 1) * 0x9E3779B97F4A7C15 | 1) % 2**64
