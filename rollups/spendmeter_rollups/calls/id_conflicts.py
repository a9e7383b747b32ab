"""Conflicts: events that were dropped because a call with their id, but other content, was stored before."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from spendmeter_rollups.calls.suspected_doubles import PageParams
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.statement import Filters, Query, event_within, filter_conditions
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Window
from spendmeter_rollups.views.answers import Answer, frame


class IdConflict(BaseModel):
    """One event that is not counted, and the call with its id that is."""

    event_id: UUID
    org_id: str
    occurred_at: datetime = Field(description="of the call that is counted, with the offset of `tz`")
    fields: list[str] = Field(description="names of the fields that differ", examples=[["input_tokens"]])
    counted: dict[str, str] = Field(description="their values in the call that is counted; users are left out")
    dropped: dict[str, str] = Field(description="their values in the event that is not; users are left out")
    found_at: datetime = Field(description="with the offset of `tz`")


class ConflictsAnswer(Answer):
    """Conflicts of the calls in the window, newest first."""

    rows: list[IdConflict]
    has_more: bool = Field(description="there are rows beyond offset + limit")


def conflicts(window: Window, filters: Filters, *, limit: int, offset: int) -> Query:
    """Return a page of the conflicts of the calls that match. An org that may not see both events sees neither."""
    parameters: dict[str, Any] = {"row_limit": limit, "row_offset": offset}
    within = event_within(window, "window", parameters)
    calls = " AND ".join([within, "event.kind = 'usage'", *filter_conditions("event", filters, parameters)])
    conditions = [within, f"event.event_id IN (SELECT event.event_id FROM usage_events AS event WHERE {calls})"]
    if "only_org_id" in parameters:
        conditions += [f"event.{name} IN {{only_org_id:Array(String)}}" for name in ("org_id", "dropped_org_id")]
    sql = (
        f"SELECT {', '.join(f'event.{name} AS {name}' for name in IdConflict.model_fields)}\n"
        f"FROM ingest_conflicts AS event FINAL\nWHERE {' AND '.join(conditions)}\n"
        "ORDER BY event.occurred_at DESC, event.event_id, event.topic_partition, event.topic_offset\n"
        "LIMIT {row_limit:UInt64} OFFSET {row_offset:UInt64}"
    )
    return Query(sql, parameters)


async def id_conflicts(usage: UsageReader, *, params: PageParams) -> ConflictsAnswer:
    """Return the conflicts of the calls of `usage`. Raises `StoreError`."""
    scope = usage.scope
    rows = await usage.reader.rows(conflicts(scope.window, scope.filters, limit=params.limit + 1, offset=params.offset))
    return ConflictsAnswer(
        **frame(scope),
        rows=[_row(row, scope) for row in rows[: params.limit]],
        has_more=len(rows) > params.limit,
    )


def _row(row: Row, scope: Scope) -> IdConflict:
    times = {name: row[name].astimezone(scope.zone) for name in ("occurred_at", "found_at")}
    return IdConflict(**{**{name: row[name] for name in IdConflict.model_fields}, **times})
