"""Suspected double reports: calls that may be a second report of another call, such as by a wrapper and by a proxy."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from spendmeter_clickhouse.doubles.double_reports import COLUMNS, double_reports
from spendmeter_rollups.catalogue.money import Money, add_exactly
from spendmeter_rollups.query.params import ScopeParams
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.statement import Filters, Query, event_within, filter_conditions
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Window
from spendmeter_rollups.views.answers import Answer, frame


class PageParams(ScopeParams):
    """Parameters of a list in pages."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0


class SuspectedDouble(BaseModel):
    """A call that may be a second report of the call `first_event_id`, which was stored before it."""

    event_id: UUID
    first_event_id: UUID
    evidence: str = Field(
        description="`request_id`: equal request id and usage; `usage_and_time`: equal model and usage, seconds apart",
        examples=["request_id"],
    )
    org_id: str
    provider: str
    model: str
    first_model: str
    request_id: str
    service: str
    first_service: str
    occurred_at: datetime = Field(description="with the offset of `tz`")
    first_occurred_at: datetime = Field(description="with the offset of `tz`")
    cost: Money = Field(description="the estimate at ingestion, counted in all other answers")


class DoublesAnswer(Answer):
    """Suspected double reports, newest first. They are counted until an operator removes them."""

    calls: int = Field(description="suspected calls on all pages; 0 on a page without rows")
    cost: Money = Field(description="of the suspected calls on all pages")
    rows: list[SuspectedDouble]
    has_more: bool = Field(description="there are rows beyond offset + limit")


def suspected(window: Window, filters: Filters, *, limit: int, offset: int) -> Query:
    """Return a page of the suspected calls, each with the number and the cost of all of them."""
    parameters: dict[str, Any] = {"row_limit": limit, "row_offset": offset}
    conditions = [event_within(window, "window", parameters), *filter_conditions("event", filters, parameters)]
    sql = (
        f"SELECT {', '.join(COLUMNS)}, count() OVER () AS calls, "
        "sumMap(map(toDate(occurred_at), cost)) OVER () AS costs\n"
        f"FROM ({double_reports(' AND '.join(conditions))})\n"
        "ORDER BY occurred_at DESC, event_id\nLIMIT {row_limit:UInt64} OFFSET {row_offset:UInt64}"
    )
    return Query(sql, parameters)


async def suspected_doubles(usage: UsageReader, *, params: PageParams) -> DoublesAnswer:
    """Return the suspected double reports of `usage`. Reads raw events. Raises `StoreError`."""
    scope = usage.scope
    rows = await usage.reader.rows(suspected(scope.window, scope.filters, limit=params.limit + 1, offset=params.offset))
    total = Decimal(0)
    for day, cost in (rows[0]["costs"] if rows else {}).items():
        total = add_exactly(total, scope.rates.convert(cost, day))
    return DoublesAnswer(
        **frame(scope),
        calls=rows[0]["calls"] if rows else 0,
        cost=total,
        rows=[_row(row, scope) for row in rows[: params.limit]],
        has_more=len(rows) > params.limit,
    )


def _row(row: Any, scope: Scope) -> SuspectedDouble:
    times = {name: row[name].astimezone(scope.zone) for name in ("occurred_at", "first_occurred_at")}
    cost = scope.rates.convert(row["cost"], row["occurred_at"].date())
    values = {**{name: row[name] for name in COLUMNS}, **times, "cost": cost}
    return SuspectedDouble(**values)
