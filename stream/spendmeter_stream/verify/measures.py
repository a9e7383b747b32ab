"""Define the measures and keys of each rollup a second time, independently of its view.

Nothing here derives from the views of `clickhouse/migrations/`, so that a fault in a view shows as a difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_COUNTS: Final = (
    "requests", "input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens",
    "reasoning_tokens", "input_audio_tokens", "output_audio_tokens", "characters", "images", "tool_calls",
)  # fmt: skip
_SIGNED: Final = ("partial_requests", "unpriced_requests", "cache_unpriced_requests")
_DECIMALS: Final = (
    "audio_seconds", "input_cost", "cache_read_cost", "cache_write_cost", "output_cost", "audio_cost", "unit_cost",
    "cost", "cache_savings", "provider_cost",
)  # fmt: skip
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

SUMS: Final = (
    *_COUNTS, *_SIGNED, *_DECIMALS, "provider_cost_requests", "errors", "latency_sum", "latency_requests", "ttft_sum",
    "ttft_requests",
)  # fmt: skip
EXTREMES: Final = {"first_seen": "min", "last_seen": "max"}
PLACEMENT: Final = "by_key"
"""A measure of all sums, weighted with a hash of the row's key (every dimension and the bucket). It differs if totals
are equal but filed under wrong keys, such as a cost in the wrong hour or model."""

_CALL: Final = (
    "role", "feature", "action", "agent_id", "task_id", "configuration_id", "service", "provider", "model",
    "key_source", "status", "error_type",
)  # fmt: skip
_PERSON: Final = ("user_id", "role", "class_name", "section", "feature", "key_source")
_LATENCY: Final = ("role", "feature", "provider", "model", "key_source", "latency_bin")
_LATENCY_BIN: Final = "toUInt16(floor(16 * log2(1 + ifNull(event.latency_ms, 0))))"


@dataclass(frozen=True, slots=True)
class CheckedRollup:
    """A rollup table: the expression of an event's bucket (UTC), the key columns and the measures."""

    table: str
    bucket: str
    key: tuple[str, ...]
    sums: tuple[str, ...] = SUMS
    extremes: tuple[str, ...] = tuple(EXTREMES)

    @property
    def measures(self) -> tuple[str, ...]:
        """Return the measure names in the order of the query results."""
        return (*self.sums, *self.extremes, PLACEMENT)


ROLLUPS: Final = (
    CheckedRollup("usage_15m", "toStartOfInterval(event.occurred_at, INTERVAL 15 MINUTE)", _CALL),
    CheckedRollup("usage_hourly", "toStartOfInterval(event.occurred_at, INTERVAL 1 HOUR)", _CALL),
    CheckedRollup("usage_daily", "toStartOfInterval(event.occurred_at, INTERVAL 1 DAY)", _CALL),
    CheckedRollup("user_daily", "toStartOfInterval(event.occurred_at, INTERVAL 1 DAY)", _PERSON),
    CheckedRollup(
        "latency_daily",
        "toStartOfInterval(event.occurred_at, INTERVAL 1 DAY)",
        _LATENCY,
        sums=("latency_requests",),
        extremes=(),
    ),
)


def of_event(measure: str) -> str:
    """Return the expression of one row of `usage_events` for the sum `measure`."""
    return _DERIVED.get(measure, f"event.{measure}")


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
    return f"reinterpretAsUInt64({value})" if measure in _DECIMALS else f"toUInt64({value})"


def _factor(index: int) -> int:
    """Return an odd number below 2^64, unique per index (multiples of the golden ratio)."""
    return ((index + 1) * 0x9E3779B97F4A7C15 | 1) % 2**64
