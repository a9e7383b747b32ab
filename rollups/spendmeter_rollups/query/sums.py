"""Sums over a window. Each piece of the plan is grouped in its own table, and the pieces are added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from textwrap import dedent
from typing import Any, Final

from spendmeter_events.event import SYSTEM_USER
from spendmeter_rollups.catalogue.dimensions import COLUMNS, EVENTS, LATENCY_BIN, MEASURES, TOKENS, USERS
from spendmeter_rollups.query.planner import Piece
from spendmeter_rollups.query.statement import (
    Filters,
    Query,
    bucket_within,
    event_within,
    filter_conditions,
    milliseconds,
)

BINS_PER_OCTAVE: Final = 16
"""As in `latency_daily_view`: bin b begins at 2^(b/16) - 1 ms."""

# A condition by its value, for a projection knows it by its text.
_USERS: Final = (
    f"uniqExactIfState({{0}}.org_id, {{0}}.user_id, {{0}}.requests > 0 AND {{0}}.user_id != '{SYSTEM_USER}')"
)
# Over raw events, where a measure is not simply the sum of the column of its name.
_EVENT_MEASURES: Final = {
    "chargeable_cost": "sumIf(event.cost, event.key_source = 'platform')",
    "provider_cost": "sum(ifNull(event.provider_cost, toDecimal128(0, 12)))",
    "provider_cost_requests": "countIf(event.provider_cost IS NOT NULL)",
    "errors": "sumIf(event.requests, event.status = 'error')",
    "latency_sum": "sum(toUInt64(ifNull(event.latency_ms, 0)))",
    "latency_requests": "countIf(event.latency_ms IS NOT NULL)",
    "ttft_sum": "sum(toUInt64(ifNull(event.ttft_ms, 0)))",
    "ttft_requests": "countIf(event.ttft_ms IS NOT NULL)",
    "first_seen": "min(event.occurred_at)",
    "last_seen": "max(event.occurred_at)",
    USERS: _USERS.format("event"),
}
_ROLLUP_MEASURES: Final = {
    "chargeable_cost": "sumIf(rollup.cost, rollup.key_source = 'platform')",
    "first_seen": "min(rollup.first_seen)",
    "last_seen": "max(rollup.last_seen)",
    USERS: _USERS.format("rollup"),
}
_EVENT_COLUMNS: Final = {
    "latency_bin": f"toUInt16(floor({BINS_PER_OCTAVE} * log2(1 + ifNull(event.latency_ms, 0))))",
}
_MERGES: Final = {"first_seen": "min", "last_seen": "max", USERS: "uniqExactIfMerge"}

ORDERS: Final = {
    "cost": ("cost",),
    "requests": ("requests",),
    "errors": ("errors",),
    "total_tokens": TOKENS,
}
"""What rows may be ranked by, largest first, and the measures that make it."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What to add up, and by what. `edges` (the starts of buckets) adds a column `bucket`, in Unix milliseconds.

    `after` (values of `columns`) leaves out that key and all before it. `among` lets pass these keys alone, each
    with values of the first of `columns`.
    """

    columns: tuple[str, ...]
    measures: tuple[str, ...]
    filters: Filters
    edges: tuple[datetime, ...] = ()
    after: tuple[str, ...] = ()
    among: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        """Nothing outside the list may become part of a statement."""
        strange = {*self.columns, *self.filters} - {*COLUMNS, LATENCY_BIN} | set(self.measures) - MEASURES
        if strange:
            raise ValueError(f"not a column or measure: {', '.join(sorted(strange))}")

    @property
    def touched(self) -> frozenset[str]:
        """Every column a table must have to answer."""
        charged = {"key_source"} if "chargeable_cost" in self.measures else set()
        return frozenset((*self.columns, *self.filters, *charged))

    @property
    def group(self) -> tuple[str, ...]:
        """The names of the columns that identify a row."""
        return (*(("bucket",) if self.edges else ()), *self.columns)


def sums(what: Sums, pieces: Sequence[Piece]) -> Query:
    """One row per combination that has events: `what.group`, then `what.measures`."""
    united, parameters = _united(what, pieces)
    if len(pieces) == 1 and what.group and USERS not in what.measures:
        # Nothing is left to be added up.
        return Query(dedent(united), parameters)
    group = f"\nGROUP BY {', '.join(what.group)}" if what.group else ""
    return Query(f"SELECT {_columns(what)}\nFROM (\n{united}\n) AS piece{group}", parameters)


def keyed_sums(what: Sums, pieces: Sequence[Piece], *, limit: int) -> Query:
    """Like `sums`, the first `limit` rows by key."""
    query = sums(what, pieces)
    sql = f"{query.sql}\nORDER BY {', '.join(what.columns)}\nLIMIT {{row_limit:UInt64}}"
    return Query(sql, {**query.parameters, "row_limit": limit})


def ranked_sums(what: Sums, pieces: Sequence[Piece], *, order_by: str, limit: int) -> Query:
    """Like `sums`, largest `order_by` first, after one row with `is_total` 1.

    The totals are those of all combinations, however few of them `limit` lets through.
    """
    united, parameters = _united(what, pieces)
    ties = ", ".join(what.group)
    sql = (
        f"SELECT grouping({what.group[0]}) AS is_total, {_columns(what)}\nFROM (\n{united}\n) AS piece\n"
        f"GROUP BY GROUPING SETS (({ties}), ())\n"
        f"ORDER BY is_total DESC, {_order(order_by)} DESC, {ties}\n"
        "LIMIT {row_limit:UInt64}"
    )
    return Query(sql, {**parameters, "row_limit": limit + 1})


def ranked_keys(what: Sums, pieces: Sequence[Piece], *, order_by: str, limit: int) -> Query:
    """Like `sums`, largest `order_by` first, without totals: where there are so many keys that these cost too much."""
    query = sums(what, pieces)
    sql = f"{query.sql}\nORDER BY {_order(order_by)} DESC, {', '.join(what.group)}\nLIMIT {{row_limit:UInt64}}"
    return Query(sql, {**query.parameters, "row_limit": limit})


def ranked_series(what: Sums, pieces: Sequence[Piece], *, keys: Sequence[tuple[str, ...]]) -> Query:
    """Sums per bucket and per key of `keys` (values of `what.columns`), numbered from 1; 0 is everything else."""
    united, parameters = _united(what, pieces)
    for number in range(len(what.columns)):
        parameters[f"key_{number}"] = [key[number] for key in keys]
    names = [f"{{key_{number}:Array(String)}}" for number in range(len(what.columns))]
    values = [f"toString({column})" for column in what.columns]
    position = (
        f"indexOf({names[0]}, {values[0]})"
        if len(names) == 1
        else f"indexOf(arrayZip({', '.join(names)}), tuple({', '.join(values)}))"
    )
    measures = ", ".join(merged(measure) for measure in what.measures)
    sql = f"SELECT bucket, {position} AS position, {measures}\nFROM (\n{united}\n) AS piece\nGROUP BY bucket, position"
    return Query(sql, parameters)


def _united(what: Sums, pieces: Sequence[Piece]) -> tuple[str, dict[str, Any]]:
    parameters: dict[str, Any] = {}
    parts = [_piece(what, piece, f"p{number}", parameters) for number, piece in enumerate(pieces)]
    return "\nUNION ALL\n".join(parts), parameters


def _piece(what: Sums, piece: Piece, name: str, parameters: dict[str, Any]) -> str:
    source, table, time = (
        ("rollup", piece.rollup.table, piece.rollup.time) if piece.rollup else ("event", EVENTS, "event.occurred_at")
    )
    within = partial(bucket_within, time=time) if piece.rollup else event_within
    ranges = [within(window, f"{name}_{number}", parameters) for number, window in enumerate(piece.ranges)]
    chosen = _bucket(what, piece, parameters)
    chosen += [_column(column, source) for column in what.columns]
    chosen += [_measure(measure, source) for measure in what.measures]
    conditions = [f"({' OR '.join(ranges)})", *filter_conditions(source, what.filters, parameters)]
    conditions += [*_after(what, source, parameters), *_among(what, source, parameters)]
    return (
        f"    SELECT {', '.join(chosen)}\n"  # noqa: S608 - identifiers from the list, values bound
        f"    FROM {table} AS {source}\n"
        f"    WHERE {' AND '.join(conditions)}{_ending(what)}"
    )


def _bucket(what: Sums, piece: Piece, parameters: dict[str, Any]) -> list[str]:
    if not what.edges:
        return []
    parameters["edges"] = [milliseconds(edge) for edge in what.edges]
    moment = (
        f"toInt64(toUnixTimestamp({piece.rollup.time})) * 1000"
        if piece.rollup
        else "toUnixTimestamp64Milli(event.occurred_at)"
    )
    return [f"roundDown({moment}, {{edges:Array(Int64)}}) AS bucket"]


def _ending(what: Sums) -> str:
    if what.group:
        return f"\n    GROUP BY {', '.join(what.group)}"
    # Without groups an empty piece still answers one row, and its epoch would pass for the first event.
    return "\n    HAVING count() > 0" if "first_seen" in what.measures else ""


def _after(what: Sums, source: str, parameters: dict[str, Any]) -> list[str]:
    if not what.after:
        return []
    parameters |= {f"after_{number}": value for number, value in enumerate(what.after)}
    columns = [f"{source}.{column}" for column in what.columns]
    values = [f"{{after_{number}:String}}" for number in range(len(columns))]
    # The first column by itself lets the table skip what lies before it.
    first = f"{columns[0]} >= {values[0]}"
    return [first, f"tuple({', '.join(columns)}) > tuple({', '.join(values)})"]


def _among(what: Sums, source: str, parameters: dict[str, Any]) -> list[str]:
    if not what.among:
        return []
    values = list(zip(*what.among, strict=True))
    parameters |= {f"among_{number}": list(each) for number, each in enumerate(values)}
    columns = [f"{source}.{column}" for column in what.columns[: len(values)]]
    names = [f"{{among_{number}:Array(String)}}" for number in range(len(values))]
    # The last column by itself is compared much sooner than the tuple, and few rows pass.
    return [f"{columns[-1]} IN {names[-1]}", f"({', '.join(columns)}) IN arrayZip({', '.join(names)})"]


def _order(order_by: str) -> str:
    return " + ".join(ORDERS[order_by])


def _columns(what: Sums) -> str:
    return ", ".join((*what.group, *(merged(measure) for measure in what.measures)))


def _column(column: str, source: str) -> str:
    expression = _EVENT_COLUMNS.get(column) if source == "event" else None
    return f"{expression or f'{source}.{column}'} AS {column}"


def _measure(measure: str, source: str) -> str:
    special = _EVENT_MEASURES if source == "event" else _ROLLUP_MEASURES
    return f"{special.get(measure, f'sum({source}.{measure})')} AS {measure}"


def merged(measure: str) -> str:
    """A measure of pieces, joined."""
    return f"{_MERGES.get(measure, 'sum')}(piece.{measure}) AS {measure}"
