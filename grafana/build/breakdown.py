"""Breakdown tables: a row for each value of some dimensions, with the columns that every one of them has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from grafana.build import sql
from grafana.build.calendar import QUARTER, bucket_start
from grafana.build.links import LOG_FILTERS, field, link
from grafana.build.panels import Json, override, rows, table
from grafana.build.usage import Narrowed, usage

from spendmeter_clickhouse.catalogue import FILTERS
from spendmeter_events.usage_units import COMPLETION_TOKENS, PROMPT_TOKENS, TOKENS

MEASURES: Final = ("cost", "requests", "errors", *TOKENS, "latency_sum", "latency_requests")
LIMIT: Final = 1000
_PERSON: Final = ("org_id", "user_id")
_COST: Final = "toFloat64(sum(usage.cost))"
_SUMS: Final = ("/^Cost/", "Requests", "Tokens", "Prompt", "Completion", "Errors")
_BAR: Final = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}


def breakdown(
    names: Mapping[str, str],
    dimensions: Collection[str],
    *,
    users: str = "",
    trend: bool = False,
    more: Sequence[str] = (),
    measures: Collection[str] = (),
    narrowed: Narrowed | None = None,
) -> str:
    """Rows by `dimensions`, costliest first.

    :param names: label → expression over the dimensions. Each dimension's value comes beside it as `…_value`.
    :param users: what to call the number of distinct people; empty for none.
    """
    columns = [f'{expression} AS "{label}"' for label, expression in names.items()]
    columns += [sql.amount("Cost", "cost"), f'{_COST} / nullIf(sum({_COST}) OVER (), 0) AS "Share of cost"']
    columns += _figures(users)
    if trend:
        columns.append(f'{_sparkline()} AS "Trend"')
    columns += [*more, *(sql.value_of(name) for name in dimensions)]
    kept = (*dimensions, *(name for name in _PERSON if users and name not in dimensions))
    source = usage(kept, (*MEASURES, *measures), stepped=trend, narrowed=narrowed)
    keys = ", ".join(f"usage.{name}" for name in dimensions)
    tail = f"GROUP BY {keys}\nORDER BY sum(usage.cost) DESC, {keys}\nLIMIT {LIMIT}"
    return sql.select(columns, source, tail, **(_COARSE if trend else {}))


def _figures(users: str) -> list[str]:
    return [
        f'{sql.total("requests")} AS "Requests"',
        f'{sql.tokens()} AS "Tokens"',
        f'{sql.total(*PROMPT_TOKENS)} AS "Prompt"',
        f'{sql.total(*COMPLETION_TOKENS)} AS "Completion"',
        *([f'{sql.USERS} AS "{users}"'] if users else []),
        f'{sql.total("errors")} AS "Errors"',
        f'{sql.ratio(sql.total("latency_sum"), sql.total("latency_requests"))} AS "Average latency"',
    ]


def shown(title: str, description: str, statement: str, dimensions: Collection[str], **more: Any) -> Json:
    """The table of a `breakdown`, with bars for shares and a footer of totals."""
    share = override("Share of cost", unit="percentunit", custom__cellOptions=_BAR, min=0, max=1)
    units = {"Average latency": "ms", **more.pop("units", {})}
    return table(
        title,
        description,
        rows(statement),
        units=units,
        hidden=[f"{name}_value" for name in dimensions],
        totals=_SUMS,
        overrides=[share, *more.pop("overrides", [])],
        **more,
    )


def to_log(*dimensions: str) -> Json:
    """A link to the calls of the row that was clicked."""
    return to("Show calls", "log", *dimensions)


def to(title: str, board: str, *dimensions: str) -> Json:
    """A link to `board`, filtered by the clicked row's value of `dimensions`, which are filters of that board."""
    names = {column: name for name, column in {**FILTERS, **LOG_FILTERS}.items()}
    return link(title, board, **{names[column]: field(f"{column}_value") for column in dimensions})


# A trend has few bars: days from two days on, whatever the granularity of the board.
_COARSE: Final = {
    "step": (
        "multiIf(($__toTime - $__fromTime) > 31622400, 'month', ($__toTime - $__fromTime) > 7779600, 'week',"
        " ($__toTime - $__fromTime) > 176400, 'day', 'hour')"
    )
}


def _sparkline() -> str:
    """A bar of text for each bucket: it needs nothing of Grafana, and survives an export."""
    start = bucket_start("toDateTime(t, 'UTC')")
    every = f"arrayDistinct(arrayMap(t -> toUInt32({start}), range(toUInt32(w0), toUInt32(w1), {QUARTER})))"
    spent = f"sumMap([toUInt32({bucket_start('usage.bucket')})], [toFloat64(usage.cost)])"
    height = f"1 + toUInt8(7 * greatest(v, 0) / greatest(arrayMax({spent}.2), 1e-12))"
    return (
        f"arrayStringConcat(arrayMap(v -> substringUTF8('▁▂▃▄▅▆▇█', {height}, 1),\n"
        f"    arrayMap(b -> {spent}.2[indexOf({spent}.1, b)], {every})))"
    )
