"""SQL of the call log, one row per call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from spendmeter_clickhouse.catalogue import EVENTS
from spendmeter_rollups.query.statement import Filters, Query, event_within, filter_conditions
from spendmeter_rollups.query.windows import Window

_SORT_CHARACTERS: Final = 128
"""Of a text, so that a cursor with it stays short. Only error messages are longer."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """An order of the log: by a column of text or figures, or by time (`kind` None). Of equals, the newest is first."""

    column: str = "occurred_at"
    kind: Literal["text", "figure"] | None = None
    descending: bool = True

    def value(self) -> str:
        """Return the expression to sort by. A missing figure sorts below all others."""
        if self.kind == "text":
            return f"substringUTF8(toString(event.{self.column}), 1, {_SORT_CHARACTERS})"
        return f"toDecimal128(ifNull(event.{self.column}, -1), 12)"


@dataclass(frozen=True, slots=True)
class Position:
    """The last call already returned: Unix milliseconds, id and, unless ordered by time, the value it is sorted by."""

    milliseconds: int
    event_id: UUID
    value: str = ""


NEWEST_FIRST: Final = SortKey()


def events(
    window: Window,
    filters: Filters,
    *,
    columns: Sequence[str],
    before: Position | None,
    limit: int,
    event_ids: Sequence[UUID] = (),
    order: SortKey = NEWEST_FIRST,
) -> Query:
    """Return calls in `order`, after the position `before`; `event_ids` restricts them to these calls.

    Rows of an order other than by time have `sort_value`.
    """
    parameters: dict[str, Any] = {"row_limit": limit}
    conditions = _conditions(window, filters, event_ids, parameters)
    if before is not None:
        conditions += _after(before, order, parameters)
    chosen = [f"event.{column}" for column in columns]
    if order.kind is not None:
        chosen.append(f"{order.value()} AS sort_value")
    sql = (
        f"SELECT {', '.join(chosen)}\n"
        f"FROM {EVENTS} AS event\nWHERE {' AND '.join(conditions)}\n"
        f"ORDER BY {_ordering(order)}\nLIMIT {{row_limit:UInt64}}"
    )
    if order.kind is None:
        # Otherwise ClickHouse buffers tens of thousands of rows before it returns the first few.
        sql += "\nSETTINGS read_in_order_use_buffering = 0"
    return Query(sql, parameters)


def events_count(window: Window, filters: Filters, *, event_ids: Sequence[UUID] = ()) -> Query:
    """Return the number of calls of the log."""
    parameters: dict[str, Any] = {}
    conditions = _conditions(window, filters, event_ids, parameters)
    sql = f"SELECT count() AS total\nFROM {EVENTS} AS event\nWHERE {' AND '.join(conditions)}"
    return Query(sql, parameters)


def _conditions(window: Window, filters: Filters, event_ids: Sequence[UUID], parameters: dict[str, Any]) -> list[str]:
    conditions = [event_within(window, "window", parameters), "event.kind = 'usage'"]
    conditions += filter_conditions("event", filters, parameters)
    if event_ids:
        parameters["event_ids"] = [str(event_id) for event_id in event_ids]
        conditions.append("event.event_id IN {event_ids:Array(UUID)}")
    return conditions


def _ordering(order: SortKey) -> str:
    if order.kind is not None:
        direction = "DESC" if order.descending else "ASC"
        return f"sort_value {direction}, event.occurred_at DESC, UUIDToNum(event.event_id) DESC"
    # Starts with the hour, like the table's sorting key, so ClickHouse reads the newest hours and stops early.
    columns = ("toStartOfHour(event.occurred_at)", "event.occurred_at", "UUIDToNum(event.event_id)")
    return ", ".join(f"{column} {'DESC' if order.descending else 'ASC'}" for column in columns)


def _after(before: Position, order: SortKey, parameters: dict[str, Any]) -> list[str]:
    """Return the conditions for calls after the position."""
    parameters |= {"before_ms": before.milliseconds, "before_id": str(before.event_id)}
    instant = "(toUnixTimestamp64Milli(event.occurred_at), UUIDToNum(event.event_id))"
    position = "({before_ms:Int64}, UUIDToNum({before_id:UUID}))"
    if order.kind is None:
        sign = "<" if order.descending else ">"
        return [
            f"{instant} {sign} {position}",
            f"event.occurred_at {sign}= fromUnixTimestamp64Milli({{before_ms:Int64}}, 'UTC')",
        ]
    parameters["before_value"] = before.value
    bound = "{before_value:String}" if order.kind == "text" else "toDecimal128({before_value:String}, 12)"
    sign = "<" if order.descending else ">"
    return [f"({order.value()} {sign} {bound} OR ({order.value()} = {bound} AND {instant} < {position}))"]
