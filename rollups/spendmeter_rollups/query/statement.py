"""What every query is made of: its text with places for values, and conditions on time and columns.

This package is the only place with SQL text. Values are bound; identifiers come from `dimensions` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from spendmeter_rollups.catalogue.dimensions import BUCKET, COLUMNS
from spendmeter_rollups.query.windows import Window

Filters = Mapping[str, tuple[str, ...]]
"""Column → the values it may have. An empty tuple lets nothing pass."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Query:
    """SQL with `{name:Type}` places, and the values bound to them."""

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


def filter_conditions(source: str, filters: Filters, parameters: dict[str, Any]) -> list[str]:
    """One condition a column; adds the values to `parameters`."""
    conditions = []
    for column, values in filters.items():
        if column not in COLUMNS:
            raise ValueError(f"{column!r} is not a column to filter by")
        parameters[f"only_{column}"] = list(values)
        conditions.append(f"{source}.{column} IN {{only_{column}:Array(String)}}")
    return conditions


def bucket_within(window: Window, name: str, parameters: dict[str, Any], *, time: str = BUCKET) -> str:
    """Rollup rows whose `time` is in `window`, whose ends are whole seconds; adds its ends to `parameters`."""
    parameters |= {
        f"{name}_start": milliseconds(window.start) // 1000,
        f"{name}_end": milliseconds(window.end) // 1000,
    }
    start, end = (f"toDateTime({{{name}_{side}:UInt32}}, 'UTC')" for side in ("start", "end"))
    return f"{time} >= {start} AND {time} < {end}"


def event_within(window: Window, name: str, parameters: dict[str, Any]) -> str:
    """Raw events of `window`; adds its ends to `parameters`."""
    parameters |= {
        f"{name}_start": milliseconds(window.start),
        f"{name}_end": milliseconds(window.end),
    }
    start, end = (f"fromUnixTimestamp64Milli({{{name}_{side}:Int64}}, 'UTC')" for side in ("start", "end"))
    return f"event.occurred_at >= {start} AND event.occurred_at < {end}"


def milliseconds(moment: datetime) -> int:
    """Unix time in whole milliseconds, without passing through a float."""
    passed = moment - _EPOCH
    return (passed.days * 86400 + passed.seconds) * 1000 + passed.microseconds // 1000
