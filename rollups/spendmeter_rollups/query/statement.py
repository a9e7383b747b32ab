"""Building blocks of queries: SQL text with bound parameters, and conditions on time and columns.

All SQL on usage is in this package. Values are bound; identifiers come from the catalogue only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from spendmeter_clickhouse.catalogue import COLUMNS, LOOKUPS
from spendmeter_rollups.catalogue.dimensions import BUCKET
from spendmeter_rollups.catalogue.tags import tag_of
from spendmeter_rollups.query.windows import Window

Filters = Mapping[str, tuple[str, ...]]
"""Column → its allowed values. An empty tuple matches no row."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Query:
    """SQL with `{name:Type}` placeholders, and the values bound to them."""

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


def filter_conditions(source: str, filters: Filters, parameters: dict[str, Any]) -> list[str]:
    """Return one condition per column; add the values to `parameters`."""
    conditions = []
    for column, values in filters.items():
        if column not in {*COLUMNS, *LOOKUPS} and tag_of(column) is None:
            raise ValueError(f"{column!r} is not a column to filter by")
        parameters[f"only_{column}"] = list(values)
        conditions.append(f"{column_of(source, column, parameters)} IN {{only_{column}:Array(String)}}")
    return conditions


def column_of(source: str, column: str, parameters: dict[str, Any]) -> str:
    """Return the expression of `column` in `source`; add the key of a tag to `parameters`."""
    key = tag_of(column)
    if key is None:
        return f"{source}.{column}"
    parameters[f"key_of_{column}"] = key
    return f"{source}.tags[{{key_of_{column}:String}}]"


def bucket_within(window: Window, name: str, parameters: dict[str, Any], *, time: str = BUCKET) -> str:
    """Return the condition for rollup rows with `time` in `window` (whole seconds); add its ends to `parameters`."""
    parameters |= {
        f"{name}_start": milliseconds(window.start) // 1000,
        f"{name}_end": milliseconds(window.end) // 1000,
    }
    start, end = (f"toDateTime({{{name}_{side}:UInt32}}, 'UTC')" for side in ("start", "end"))
    return f"{time} >= {start} AND {time} < {end}"


def event_within(window: Window, name: str, parameters: dict[str, Any]) -> str:
    """Return the condition for raw events in `window`; add its ends to `parameters`."""
    parameters |= {
        f"{name}_start": milliseconds(window.start),
        f"{name}_end": milliseconds(window.end),
    }
    start, end = (f"fromUnixTimestamp64Milli({{{name}_{side}:Int64}}, 'UTC')" for side in ("start", "end"))
    return f"event.occurred_at >= {start} AND event.occurred_at < {end}"


def milliseconds(instant: datetime) -> int:
    """Return Unix time in whole milliseconds, computed without floats."""
    elapsed = instant - _EPOCH
    return (elapsed.days * 86400 + elapsed.seconds) * 1000 + elapsed.microseconds // 1000
