"""The call log, newest first, with keyset pagination."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, create_model

from spendmeter_events.usage_units import OTHER_UNITS, REASONING, TOKENS
from spendmeter_rollups.calls.call_statement import adjustment_sums
from spendmeter_rollups.calls.log_order import LOG_COLUMNS, LONGEST_CURSOR, TIME, decode_cursor, encode_cursor, sort_key
from spendmeter_rollups.calls.log_statement import events as events_query
from spendmeter_rollups.calls.log_statement import events_count
from spendmeter_rollups.catalogue.money import Money
from spendmeter_rollups.query.params import ScopeParams, fold
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Window
from spendmeter_rollups.views.answers import Answer, frame, unit_fields
from spendmeter_rollups.views.directory_names import names_of_calls
from spendmeter_rollups.views.ranking import OrderParam

if TYPE_CHECKING:
    LogColumn = str
else:
    LogColumn = Literal[LOG_COLUMNS]

_CALLER: Final = ("org_id", "user_id", "role", "class_name", "section")
_CALL: Final = (
    "feature",
    "action",
    "agent_id",
    "task_id",
    "configuration_id",
    "conversation_id",
    "request_id",
    "service",
    "provider",
    "model",
    "key_source",
)
_OUTCOME: Final = (
    "pricing_status",
    "status",
    "error_type",
    "error_message",
    "latency_ms",
    "ttft_ms",
    "streamed",
)
_UNITS: Final = (*TOKENS, REASONING, *OTHER_UNITS)
COLUMNS: Final = (
    "event_id",
    "occurred_at",
    *_CALLER,
    *_CALL,
    *_UNITS,
    "cost",
    *_OUTCOME,
    "tags",
)


class LogParams(ScopeParams):
    """Parameters of the call log and its export."""

    event_id: list[UUID] = Field([], max_length=100, description="ids of calls")


class EventsParams(LogParams):
    """Parameters of a page of the call log."""

    page_size: Annotated[int, Field(ge=10, le=500)] = 50
    cursor: Annotated[
        str | None,
        Field(max_length=LONGEST_CURSOR, description="`next_cursor` of the previous page, in the same order"),
    ] = None
    order_by: Annotated[
        LogColumn,
        BeforeValidator(fold),
        Field(description="Any column; of equal values, the newest call is first. Missing figures are the smallest."),
    ] = TIME
    order: OrderParam = None
    count: Annotated[bool, Field(description="Count all calls of the window that match: `total`.")] = False


class _Call(BaseModel):
    event_id: UUID
    occurred_at: datetime = Field(description="with the offset of `tz`")
    org_id: str
    org_name: str | None = Field(None, description="from the directory; null if unknown")
    user_id: str = Field(description="`system` for calls made without a user")
    user_name: str | None = Field(None, description="from the directory; null if unknown")
    role: str
    class_name: str
    section: str
    feature: str
    feature_name: str | None = Field(None, description="from the directory, as the names below")
    action: str
    agent_id: str
    agent_name: str | None = None
    agent_avatar_url: str | None = None
    task_id: str
    task_name: str | None = None
    configuration_id: str
    configuration_name: str | None = None
    conversation_id: str
    request_id: str
    service: str
    provider: str
    model: str
    key_source: str


if TYPE_CHECKING:
    _Units = _Call
else:
    _Units = create_model("_Units", __base__=_Call, **unit_fields(*_UNITS))


class CallRow(_Units):
    """One call without its cost."""

    status: str
    error_type: str
    error_message: str
    latency_ms: int | None
    ttft_ms: int | None
    streamed: bool
    tags: dict[str, str]


class EventRow(CallRow):
    """One call and its cost."""

    cost: Money = Field(description="the estimate at ingestion")
    adjustment: Money = Field(description="sum of later repricing; cost + adjustment is the current cost")
    pricing_status: str = Field(description="at ingestion")


class EventsAnswer(Answer):
    """A page of the call log. Calls stored later never shift or repeat rows of pages already fetched."""

    rows: list[EventRow]
    next_cursor: str | None = Field(description="the `cursor` of the next page; null on the last page")
    total: int | None = Field(None, description="calls on all pages; null without `count=true`")


async def events(usage: UsageReader, *, params: EventsParams) -> EventsAnswer:
    """Return a page of the call log. Raises `Problem` for an invalid cursor."""
    order = sort_key(params.order_by, params.order)
    before = decode_cursor(params.cursor, order) if params.cursor else None
    scope = usage.scope
    # Read one row more than the page to detect a next page.
    query = events_query(
        scope.window,
        scope.filters,
        columns=COLUMNS,
        before=before,
        limit=params.page_size + 1,
        event_ids=params.event_id,
        order=order,
    )
    rows, total = await asyncio.gather(usage.reader.rows(query), _total(usage, params))
    page = await with_adjustments(usage.within(scope), rows[: params.page_size])
    following = encode_cursor(page[-1], order) if len(rows) > params.page_size else None
    return EventsAnswer(**frame(scope), rows=await named_calls(usage, page), next_cursor=following, total=total)


async def _total(usage: UsageReader, params: EventsParams) -> int | None:
    if not params.count:
        return None
    query = events_count(usage.scope.window, usage.scope.filters, event_ids=params.event_id)
    return int((await usage.reader.rows(query))[0]["total"])


async def newest_calls(usage: UsageReader, limit: int) -> list[EventRow]:
    """Return the newest calls of `usage`, newest first."""
    scope = usage.scope
    query = events_query(scope.window, scope.filters, columns=COLUMNS, before=None, limit=limit)
    return await named_calls(usage, await with_adjustments(usage, await usage.reader.rows(query)))


async def with_adjustments(usage: UsageReader, rows: Sequence[Row]) -> list[Row]:
    """Add to each call the sum of its adjustments. Raises `StoreError`."""
    if not rows:
        return []
    # Adjustments have the time and dimensions of their call.
    instants = [row["occurred_at"] for row in rows]
    window = Window(min(instants), max(instants) + timedelta(milliseconds=1))
    sums = await usage.reader.rows(adjustment_sums(window, usage.scope.filters, [row["event_id"] for row in rows]))
    found = {row["event_id"]: row["adjustment"] for row in sums}
    return [{**row, "adjustment": found.get(row["event_id"], Decimal(0))} for row in rows]


async def named_calls(usage: UsageReader, rows: Sequence[Row]) -> list[EventRow]:
    """Convert rows of `COLUMNS` to the answer, with names from the directory."""
    names = await names_of_calls(usage.reader, rows)
    return [event_row({**row, **names.of_call(row)}, usage.scope) for row in rows]


def event_row(row: Row, scope: Scope) -> EventRow:
    """Convert a row of `COLUMNS` to the answer's time zone and currency."""
    rate = scope.rates.on(row["occurred_at"].date())
    values: dict[str, Any] = {
        **row,
        "occurred_at": row["occurred_at"].astimezone(scope.zone),
        "cost": rate.convert(Decimal(row["cost"])),
        "adjustment": rate.convert(row["adjustment"]),
    }
    return EventRow(**values)
