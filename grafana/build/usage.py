"""Rows of usage in a window, from the coarsest rollups that are exact for it: the planner of docs/rollups.md in SQL.

A rollup whose rows are whole inside the window, and inside one bucket where the window is shown over time, gives
them; finer ones give the rest. A filter on what no rollup keeps, say one user's models, makes the statement read raw
events instead. Which of these holds is decided by constants, so what is not needed is not read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from grafana.build.calendar import QUARTER, bucket_start
from grafana.build.links import MAY_BE_EMPTY

from spendmeter_clickhouse.catalogue import DAY, EVENTS, EXPRESSIONS, FILTERS, HOUR, MEASURES, STORED
from spendmeter_rollups.catalogue.dimensions import BUCKET, Rollup
from spendmeter_rollups.query.planner import choose_family

_UNITS: Final = {DAY: "d", HOUR: "h"}
_FIT: Final = {DAY: "days_fit", HOUR: "hours_fit"}
_STARTS: Final = {DAY: "toStartOfDay", HOUR: "toStartOfHour"}

_QUARTER: Final = "toStartOfFifteenMinutes(event.occurred_at) AS bucket"

Narrowed = Mapping[str, Collection[str]]
"""Column → the values it may have, whatever the filters say."""


def usage(
    columns: Collection[str],
    measures: Collection[str],
    *,
    stepped: bool = False,
    window: str = "w",
    narrowed: Narrowed | None = None,
) -> str:
    """A UNION of rows with `bucket` (the start of each row's time), `columns` and `measures`, to be added up.

    :param stepped: no row may straddle two buckets of `calendar.bucket_start`.
    :param window: `w` the one shown, `v` the one before it, `m` the current month, `t` that of the trend.
    """
    narrowed = narrowed or {}
    charged = {"key_source"} if "chargeable_cost" in measures else set()
    # A board's rows are added up outside, where no projection can answer: its grain would only be a detour.
    family = [it for it in choose_family({*columns, *narrowed, *charged}, measures) if it.time == BUCKET]
    wanted = tuple(dict.fromkeys((*columns, *measures)))
    coarser: list[Rollup] = []
    parts = []
    for rollup in family:
        if rollup.seconds == HOUR and not stepped:
            continue
        where = [*_kept(rollup), *_whole_rows(rollup, window, stepped), *_beyond(coarser, "bucket", window, stepped)]
        parts.append(_part(rollup.table, "rollup", "bucket", wanted, [*where, *_filters(rollup.columns, narrowed)]))
        coarser.append(rollup)
    where = [f"event.occurred_at >= {window}0", f"event.occurred_at < {window}1"]
    if family:
        where.append(_left_to_events(family, coarser, window, stepped))
    if "latency_bin" in columns:
        where.append("event.latency_ms IS NOT NULL")
    parts.append(_part(EVENTS, "event", _QUARTER, wanted, [*where, *_filters(None, narrowed)]))
    return "\n  UNION ALL\n".join(parts)


def filters(alias: str = "event") -> list[str]:
    """A condition for each filter of the board, on `alias`'s columns."""
    return [condition(name, column, alias) for name, column in FILTERS.items()]


def condition(variable: str, column: str, alias: str = "event") -> str:
    """True where `variable` is All, or has the value of `column`."""
    value = f"{alias}.{column}"
    if column in MAY_BE_EMPTY:
        value = f"if({value} = '', '-', {value})"
    return f"$__conditionalAll({value} IN (${{{variable}:singlequote}}), ${variable})"


def _part(table: str, alias: str, bucket: str, wanted: Collection[str], where: Collection[str]) -> str:
    chosen = [_selected(name, alias) for name in wanted]
    conditions = "\n    AND ".join(where)
    return f"  SELECT {', '.join((bucket, *chosen))}\n  FROM {table} AS {alias}\n  WHERE {conditions}"


def _selected(name: str, alias: str) -> str:
    if name in EXPRESSIONS and alias == "event":
        return f"{EXPRESSIONS[name]} AS {name}"
    measure = MEASURES.get(name)
    derived = measure and (measure.value or measure.when) and (alias == "event" or name not in STORED)
    return f"{measure.of_row().replace('event.', f'{alias}.')} AS {name}" if measure and derived else name


def _filters(kept: Collection[str] | None, narrowed: Narrowed) -> list[str]:
    alias = "event" if kept is None else "rollup"
    chosen = zip(filters(alias), FILTERS.values(), strict=True)
    conditions = [condition for condition, column in chosen if kept is None or column in kept]
    for column, values in narrowed.items():
        quoted = ", ".join(f"'{value}'" for value in values)
        conditions.append(f"{alias}.{column} IN ({quoted})")
    return conditions


def _kept(rollup: Rollup) -> list[str]:
    """True where no filter asks for what the rollup does not keep."""
    return [f"$__conditionalAll(1 = 0, ${name})" for name, column in FILTERS.items() if column not in rollup.columns]


def _left_to_events(family: Sequence[Rollup], given: Collection[Rollup], window: str, stepped: bool) -> str:
    """Raw events take what the rollups leave, and everything where the rollups may not be used."""
    unusable = f"NOT ({' AND '.join(_kept(family[0])) or '1 = 1'})"
    if family[-1].seconds <= QUARTER:
        return unusable
    return f"({unusable} OR ({' AND '.join(_beyond(given, 'event.occurred_at', window, stepped))}))"


def _whole_rows(rollup: Rollup, window: str, stepped: bool) -> list[str]:
    if rollup.seconds not in _UNITS:
        return [f"bucket >= {window}0", f"bucket < {window}1"]
    return [*_within(rollup, "bucket", window), *_in_one_step(rollup, "bucket", stepped)]


def _within(rollup: Rollup, moment: str, window: str) -> list[str]:
    unit = _UNITS[rollup.seconds]
    return [f"{moment} >= {window}0{unit}", f"{moment} < {window}1{unit}"]


def _in_one_step(rollup: Rollup, start: str, stepped: bool) -> list[str]:
    if not stepped:
        return []
    same = f"{bucket_start(start)} = {bucket_start(f'{start} + {rollup.seconds - 1}')}"
    return [f"({_FIT[rollup.seconds]} OR {same})"]


def _beyond(coarser: Collection[Rollup], moment: str, window: str, stepped: bool) -> list[str]:
    """Not in a row that a coarser rollup has given."""
    conditions = []
    for rollup in coarser:
        start = f"{_STARTS[rollup.seconds]}({moment}, 'UTC')"
        given = [*_within(rollup, moment, window), *_in_one_step(rollup, start, stepped)]
        conditions.append(f"NOT ({' AND '.join(given)})")
    return conditions
