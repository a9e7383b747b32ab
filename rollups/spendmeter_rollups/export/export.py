"""CSV export of complete views in constant memory.

Rows are read in portions by key, each with a separate query under the usual limits. A slow client therefore occupies
no thread and no query, and rows stored during the export neither repeat nor hide other rows.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from spendmeter_clickhouse.catalogue import COST_COLUMNS, Dimension
from spendmeter_rollups.calls.log import COLUMNS, LogParams, with_adjustments
from spendmeter_rollups.calls.log_statement import Position, events
from spendmeter_rollups.catalogue.orders import NAMES
from spendmeter_rollups.catalogue.tags import public_name
from spendmeter_rollups.export.csv_text import csv_text
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.statement import milliseconds
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Window, local_date
from spendmeter_rollups.views.breakdown import BreakdownRow, SortedParams, all_rows, find_group
from spendmeter_rollups.views.directory_names import CALL_NAMES, names_of_calls
from spendmeter_rollups.views.ranking import check_order
from spendmeter_rollups.views.timeseries import Point, SeriesParams, timeseries

PORTION: Final = 5_000
"""Calls per query."""
_INITIAL_SPAN: Final = timedelta(hours=1)
"""Initial time range of one query for calls; doubled as long as it returns less than a portion."""
_MILLISECOND: Final = timedelta(milliseconds=1)
_KEYS: Final = 1_000
"""Rows of a breakdown per query: their keys become parameters of further queries."""
_RATE: Final = ("currency", "per_usd", "rate_date")
_USER: Final = ("role", "class_name", "section", "top_feature")
_UNSAFE: Final = re.compile(r"[^\w.-]+", re.ASCII)
"""Characters of a dimension that a file name does not need."""
_NESTED: Final = ("key", "user", "budget", "sparkline", "names")
_PRICING: Final = (
    *COST_COLUMNS, "provider_cost", "service_tier", "region", "price_version",
)  # fmt: skip
"""Columns of the call log that only the export has."""
_CALL: Final = (*COLUMNS, *(name for name in _PRICING if name not in COLUMNS))

Rows = list[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Export:
    """A view as portions of rows."""

    view: str
    scope: Scope
    header: tuple[str, ...]
    portions: AsyncIterator[Rows]

    @property
    def file_name(self) -> str:
        """The view with its first and last day."""
        window, zone = self.scope.window, self.scope.zone
        last = local_date(window.end - timedelta(milliseconds=1), zone)
        return f"spendmeter-{self.view}-{local_date(window.start, zone)}-to-{last}.csv"

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield CSV text. Every row ends with the currency; that of a call also with the rate of its day."""
        rows: Rows = [self.header]
        async for portion in self.portions:
            rows += portion
            # Formatting thousands of rows would block the event loop.
            yield (await asyncio.to_thread(csv_text, rows)).encode()
            rows = []
        if rows:
            yield csv_text(rows).encode()


def export_events(usage: UsageReader, *, params: LogParams) -> Export:
    """Export the call log, newest first."""
    header = (*CALL_NAMES, *_CALL, "adjustment", *_RATE)
    return Export("events", usage.scope, header, _events(usage, params.event_id))


def export_breakdown(usage: UsageReader, *, dimension: Dimension, params: SortedParams) -> Export:
    """Export all values of a dimension. Raises `Problem` (422) for a column that the table lacks."""
    check_order(dimension, params.order_by)
    names = [*NAMES, *(name for name in BreakdownRow.model_fields if name not in (*_NESTED, *NAMES))]
    header = (*map(public_name, dimension.columns), *(_USER if dimension.name == "user" else ()), *names, "currency")
    return Export(_UNSAFE.sub("-", dimension.name), usage.scope, header, _breakdown(usage, dimension, names, params))


def export_timeseries(usage: UsageReader, *, params: SeriesParams) -> Export:
    """Export one row per group and bucket; groups beyond the limit are one group with `other` true and an empty key."""
    dimension = find_group(params.group_by) if params.group_by else None
    columns = tuple(map(public_name, dimension.columns)) if dimension else ()
    header = (*columns, *(("other",) if columns else ()), *Point.model_fields, "currency")
    return Export("timeseries", usage.scope, header, _timeseries(usage, params, columns))


async def _events(usage: UsageReader, event_ids: Sequence[UUID]) -> AsyncIterator[Rows]:
    scope = usage.scope
    # LIMIT alone makes ClickHouse open every part of the window for each portion, which took 100 times as long.
    remaining, before, span = scope.window, None, _INITIAL_SPAN
    while True:
        start = max(remaining.start, remaining.end - span)
        query = events(
            Window(start, remaining.end),
            scope.filters,
            columns=_CALL,
            before=before,
            limit=PORTION,
            event_ids=event_ids,
        )
        rows = await usage.reader.rows(query)
        if rows:
            names = await names_of_calls(usage.reader, rows)
            current = await with_adjustments(usage, rows)
            yield [(*names.of_call(row).values(), *_event(row, scope)) for row in current]
        if len(rows) == PORTION:
            last = rows[-1]
            before = Position(milliseconds(last["occurred_at"]), last["event_id"])
            remaining, span = Window(remaining.start, last["occurred_at"] + _MILLISECOND), max(_INITIAL_SPAN, span / 2)
        elif start > remaining.start:
            remaining, before, span = Window(remaining.start, start), None, span * 2
        else:
            return


def _event(row: Row, scope: Scope) -> Sequence[Any]:
    rate = scope.rates.on(row["occurred_at"].date())
    amounts = {name: row[name] for name in (*COST_COLUMNS, "provider_cost", "adjustment") if row[name] is not None}
    shown = {
        **row,
        **{name: rate.convert(amount) for name, amount in amounts.items()},
        "occurred_at": row["occurred_at"].astimezone(scope.zone),
        "tags": json.dumps(row["tags"], ensure_ascii=False, sort_keys=True) if row["tags"] else "",
    }
    return (*shown.values(), rate.currency, rate.per_usd, rate.on)


async def _breakdown(
    usage: UsageReader, dimension: Dimension, names: Sequence[str], params: SortedParams
) -> AsyncIterator[Rows]:
    found = all_rows(usage, dimension, portion=_KEYS, order_by=params.order_by, order=params.order)
    async for portion in found:
        yield [
            (
                *(row.key[public_name(column)] for column in dimension.columns),
                *((getattr(row.user, name) for name in _USER) if row.user else ()),
                *(getattr(row, name) for name in names),
                usage.scope.rates.currency,
            )
            for row in portion
        ]


async def _timeseries(usage: UsageReader, params: SeriesParams, columns: Sequence[str]) -> AsyncIterator[Rows]:
    answer = await timeseries(usage, params=params)
    for series in answer.series:
        key = [
            *(series.key[column] if series.key else None for column in columns),
            *([series.other] if columns else ()),
        ]
        yield [
            (*key, *(getattr(point, name) for name in Point.model_fields), usage.scope.rates.currency)
            for point in series.points
        ]
