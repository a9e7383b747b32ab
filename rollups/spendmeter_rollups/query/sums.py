"""SQL of sums over a window. Each piece of the plan is aggregated in its own table, then the pieces are merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from textwrap import dedent, indent
from typing import Any, Final

from spendmeter_clickhouse.catalogue import (
    COLUMNS,
    EVENTS,
    EXPRESSIONS,
    LATENCY_BIN,
    LOOKUPS,
    MEASURES,
    STORED,
    USERS,
    user_set,
)
from spendmeter_clickhouse.ddl.projections import projection_of
from spendmeter_rollups.catalogue.conversion import converted_sum, is_amount, rate_of_day
from spendmeter_rollups.catalogue.money import USD, Rates
from spendmeter_rollups.catalogue.orders import KEY, ORDERS
from spendmeter_rollups.catalogue.tags import KEY_EXPRESSION, TAG_KEYS, tag_of
from spendmeter_rollups.query.planner import Piece
from spendmeter_rollups.query.statement import (
    Filters,
    Query,
    bucket_within,
    column_of,
    event_within,
    filter_conditions,
    milliseconds,
)

_IN_USD: Final = Rates()
_EXPRESSIONS: Final = {**EXPRESSIONS, **dict.fromkeys(TAG_KEYS.columns, KEY_EXPRESSION)}


@dataclass(frozen=True, slots=True)
class Sums:
    """Specification of a sum. `edges` (the starts of buckets) add a column `bucket`, in Unix milliseconds.

    `after` (values of `columns`) skips all keys up to and including that one. `among` restricts the sum to these keys,
    each with values of the leading `columns`. Amounts are converted at the `rates` of their UTC days.
    """

    columns: tuple[str, ...]
    measures: tuple[str, ...]
    filters: Filters
    edges: tuple[datetime, ...] = ()
    after: tuple[str, ...] = ()
    among: tuple[tuple[str, ...], ...] = ()
    rates: Rates = _IN_USD

    def __post_init__(self) -> None:
        """Reject identifiers that are not in the catalogue."""
        unknown = set(self.columns) - {*COLUMNS, LATENCY_BIN, *TAG_KEYS.columns}
        unknown |= set(self.filters) - {*COLUMNS, *LOOKUPS}
        unknown = {column for column in unknown if tag_of(column) is None} | set(self.measures) - {*MEASURES, USERS}
        if unknown:
            raise ValueError(f"not a column or measure: {', '.join(sorted(unknown))}")

    @property
    def touched(self) -> frozenset[str]:
        """Every column that a table must have."""
        charged = {"key_source"} if "chargeable_cost" in self.measures else set()
        return frozenset((*self.columns, *self.filters, *charged))

    @property
    def converted(self) -> bool:
        """Whether amounts are converted, which requires rows of one UTC day each."""
        return self.rates.currency != USD and any(is_amount(measure) for measure in self.measures)

    @property
    def group(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return (*(("bucket",) if self.edges else ()), *self.columns)


def sums(spec: Sums, pieces: Sequence[Piece]) -> Query:
    """Return one row per combination with events: `spec.group`, then `spec.measures`."""
    return _sums(spec, pieces)


def keyed_sums(spec: Sums, pieces: Sequence[Piece], *, limit: int) -> Query:
    """Return the first `limit` rows of `sums`, ordered by key."""
    return _sums(spec, pieces, order=", ".join(spec.columns), limit=limit)


def ranked_sums(spec: Sums, pieces: Sequence[Piece], *, order_by: str, limit: int, descending: bool = True) -> Query:
    """Return `sums` by `order_by` (of `ORDERS`), after one row with `is_total` 1.

    The totals cover all combinations, including those beyond `limit`.
    """
    parameters: dict[str, Any] = {"row_limit": limit + 1}
    ties = ", ".join(spec.group)
    ranked = f"ORDER BY is_total DESC, {_order(spec, order_by, descending)}\nLIMIT {{row_limit:UInt64}}"
    is_total = f"grouping({spec.group[0]}) AS is_total"
    if len(pieces) == 1 and USERS not in spec.measures:
        one = dedent(_piece(spec, pieces[0], "p0", parameters)).replace("SELECT ", f"SELECT {is_total}, ", 1)
        return Query(f"{one} WITH ROLLUP{_whole(spec.group)}\n{ranked}{_projection(spec, pieces[0])}", parameters)
    sql = (
        f"SELECT {is_total}, {_columns(spec)}\nFROM (\n{_union(spec, pieces, parameters)}\n) AS piece\n"
        f"GROUP BY GROUPING SETS (({ties}), ())\n{ranked}"
    )
    return Query(sql, parameters)


def _whole(group: Sequence[str]) -> str:
    """Return the condition that drops the subtotals of a rollup: rows have all of `group`, or none of it."""
    # Not GROUPING SETS: these would make ClickHouse read the table instead of a projection.
    conditions = [f"grouping({column}) = grouping({group[0]})" for column in group[1:]]
    return f"\nHAVING {' AND '.join(conditions)}" if conditions else ""


def ranked_keys(spec: Sums, pieces: Sequence[Piece], *, order_by: str, limit: int, descending: bool = True) -> Query:
    """Return `sums` by `order_by` (of `ORDERS`), without totals, which are too expensive over many keys."""
    return _sums(spec, pieces, order=_order(spec, order_by, descending), limit=limit)


def ranked_series(spec: Sums, pieces: Sequence[Piece], *, keys: Sequence[tuple[str, ...]]) -> Query:
    """Return sums per bucket and per key of `keys` (values of `spec.columns`), numbered from 1; 0 is all other keys."""
    parameters: dict[str, Any] = {}
    union = _union(spec, pieces, parameters)
    for number in range(len(spec.columns)):
        parameters[f"key_{number}"] = [key[number] for key in keys]
    names = [f"{{key_{number}:Array(String)}}" for number in range(len(spec.columns))]
    values = [f"toString({column})" for column in spec.columns]
    position = (
        f"indexOf({names[0]}, {values[0]})"
        if len(names) == 1
        else f"indexOf(arrayZip({', '.join(names)}), tuple({', '.join(values)}))"
    )
    measures = ", ".join(merged(measure) for measure in spec.measures)
    sql = f"SELECT bucket, {position} AS position, {measures}\nFROM (\n{union}\n) AS piece\nGROUP BY bucket, position"
    return Query(sql, parameters)


def top_series(spec: Sums, pieces: Sequence[Piece], *, limit: int) -> Query:
    """Return sums per bucket of the `limit` keys with the highest cost (`is_top` 1), ordered by key, and of the rest.

    The values of the key are in `key_0` and so on. One statement ranks and adds up: with two, calls stored in between
    would move a top key to the rest.
    """
    parameters: dict[str, Any] = {"row_limit": limit}
    union = _union(spec, pieces, parameters)
    ranked = _union(replace(spec, measures=("cost",), edges=()), pieces, parameters)
    columns = [f"piece.{column}" for column in spec.columns]
    key = ", ".join(columns)
    values = [
        f"if(is_top, {column}, defaultValueOfArgumentType({column})) AS key_{number}"
        for number, column in enumerate(columns)
    ]
    names = ", ".join(f"key_{number}" for number in range(len(columns)))
    chosen = ", ".join((*values, *(merged(measure) for measure in spec.measures)))
    sql = (
        f"SELECT bucket, ({key}) IN (\n"
        f"SELECT {key}\nFROM (\n{ranked}\n) AS piece\n"
        f"GROUP BY {key}\nORDER BY sum(piece.cost) DESC, {key}\nLIMIT {{row_limit:UInt64}}\n"
        f") AS is_top, {chosen}\nFROM (\n{union}\n) AS piece\nGROUP BY bucket, is_top, {names}\nORDER BY {names}"
    )
    return Query(sql, parameters)


def _sums(spec: Sums, pieces: Sequence[Piece], *, order: str = "", limit: int = 0) -> Query:
    parameters: dict[str, Any] = {"row_limit": limit} if limit else {}
    ending = f"\nORDER BY {order}\nLIMIT {{row_limit:UInt64}}" if limit else ""
    if len(pieces) == 1 and spec.group and USERS not in spec.measures:
        # A single piece needs no outer aggregation.
        sql = f"{dedent(_piece(spec, pieces[0], 'p0', parameters))}{ending}{_projection(spec, pieces[0])}"
        return Query(sql, parameters)
    group = f"\nGROUP BY {', '.join(spec.group)}" if spec.group else ""
    union = _union(spec, pieces, parameters)
    return Query(f"SELECT {_columns(spec)}\nFROM (\n{union}\n) AS piece{group}{ending}", parameters)


def _union(spec: Sums, pieces: Sequence[Piece], parameters: dict[str, Any]) -> str:
    parts = [
        f"{_piece(spec, piece, f'p{number}', parameters)}{indent(_projection(spec, piece), '    ')}"
        for number, piece in enumerate(pieces)
    ]
    return "\nUNION ALL\n".join(parts)


def _projection(spec: Sums, piece: Piece) -> str:
    """Return the settings of the SELECT of `piece` that spare ClickHouse the analysis of projections."""
    name = ""
    # No projection has converted amounts.
    if piece.rollup and not spec.converted:
        time = piece.rollup.time.removeprefix("rollup.")
        name = projection_of(piece.rollup.table, time, spec.touched, frozenset(spec.measures))
    setting = f"preferred_optimize_projection_name = '{name}'" if name else "optimize_use_projections = 0"
    return f"\nSETTINGS {setting}"


def _piece(spec: Sums, piece: Piece, name: str, parameters: dict[str, Any]) -> str:
    source, table, time = (
        ("rollup", piece.rollup.table, piece.rollup.time) if piece.rollup else ("event", EVENTS, "event.occurred_at")
    )
    within = partial(bucket_within, time=time) if piece.rollup else event_within
    ranges = [within(window, f"{name}_{number}", parameters) for number, window in enumerate(piece.ranges)]
    chosen = _bucket(spec, piece, parameters)
    chosen += [_column(column, source, parameters) for column in spec.columns]
    rate = rate_of_day(spec.rates, time, piece.days, name, parameters) if spec.converted else ""
    chosen += [f"{_aggregate(measure, source, rate)} AS {measure}" for measure in spec.measures]
    conditions = [f"({' OR '.join(ranges)})", *filter_conditions(source, spec.filters, parameters)]
    conditions += [*_after(spec, source, parameters), *_among(spec, source, parameters)]
    return (
        f"    SELECT {', '.join(chosen)}\n"
        f"    FROM {table} AS {source}\n"
        f"    WHERE {' AND '.join(conditions)}{_ending(spec)}"
    )


def _bucket(spec: Sums, piece: Piece, parameters: dict[str, Any]) -> list[str]:
    if not spec.edges:
        return []
    parameters["edges"] = [milliseconds(edge) for edge in spec.edges]
    instant = (
        f"toInt64(toUnixTimestamp({piece.rollup.time})) * 1000"
        if piece.rollup
        else "toUnixTimestamp64Milli(event.occurred_at)"
    )
    return [f"roundDown({instant}, {{edges:Array(Int64)}}) AS bucket"]


def _ending(spec: Sums) -> str:
    if spec.group:
        return f"\n    GROUP BY {', '.join(spec.group)}"
    # Without GROUP BY an empty piece returns one row, whose epoch would be taken for the first event.
    return "\n    HAVING count() > 0" if "first_seen" in spec.measures else ""


def _after(spec: Sums, source: str, parameters: dict[str, Any]) -> list[str]:
    if not spec.after:
        return []
    parameters |= {f"after_{number}": value for number, value in enumerate(spec.after)}
    columns = [column_of(source, column, parameters) for column in spec.columns]
    values = [f"{{after_{number}:String}}" for number in range(len(columns))]
    # A condition on the first column alone lets ClickHouse skip granules by the primary key.
    first = f"{columns[0]} >= {values[0]}"
    return [first, f"tuple({', '.join(columns)}) > tuple({', '.join(values)})"]


def _among(spec: Sums, source: str, parameters: dict[str, Any]) -> list[str]:
    if not spec.among:
        return []
    values = list(zip(*spec.among, strict=True))
    parameters |= {f"among_{number}": list(each) for number, each in enumerate(values)}
    columns = [column_of(source, column, parameters) for column in spec.columns[: len(values)]]
    names = [f"{{among_{number}:Array(String)}}" for number in range(len(values))]
    # Comparing the last column alone is much faster than the tuple, and filters out most rows.
    pairs = [f"({', '.join(columns)}) IN arrayZip({', '.join(names)})"] if len(columns) > 1 else []
    return [f"{columns[-1]} IN {names[-1]}", *pairs]


def _order(spec: Sums, order_by: str, descending: bool) -> str:
    expression, direction = ORDERS[order_by].expression, " DESC" if descending else ""
    if order_by == KEY:
        return ", ".join(f"{column}{direction}" for column in spec.group)
    return f"{expression}{direction}, {', '.join(spec.group)}"


def _columns(spec: Sums) -> str:
    return ", ".join((*spec.group, *(merged(measure) for measure in spec.measures)))


def _column(column: str, source: str, parameters: dict[str, Any]) -> str:
    expression = _EXPRESSIONS.get(column) if source == "event" else None
    return f"{expression or column_of(source, column, parameters)} AS {column}"


def _aggregate(measure: str, source: str, rate: str) -> str:
    if measure == USERS:
        return user_set(f"{source}.")
    if rate and is_amount(measure):
        return converted_sum(measure, source, rate)
    if source == "event" or measure not in STORED:
        return MEASURES[measure].aggregate().replace("event.", f"{source}.")
    return f"{STORED[measure].function}({source}.{measure})"


def merged(measure: str) -> str:
    """Return the expression that merges a measure of all pieces."""
    function = "uniqExactIfMerge" if measure == USERS else MEASURES[measure].function
    return f"{function}(piece.{measure}) AS {measure}"
