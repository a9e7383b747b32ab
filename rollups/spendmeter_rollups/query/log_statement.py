"""SQL of the call log, one row per call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from spendmeter_clickhouse.catalogue import EVENTS
from spendmeter_rollups.query.statement import Filters, Query, event_within, filter_conditions
from spendmeter_rollups.query.windows import Window


def events(
    window: Window,
    filters: Filters,
    *,
    columns: Sequence[str],
    before: tuple[int, UUID] | None,
    limit: int,
    event_ids: Sequence[UUID] = (),
) -> Query:
    """Return calls, newest first. `before` is the (milliseconds, id) of the last call already returned.

    `event_ids` restricts them to these calls; none: all.

    ORDER BY starts with the hour, like the table's sorting key, so ClickHouse reads the newest hours and stops early.
    """
    parameters: dict[str, Any] = {"row_limit": limit}
    conditions = [event_within(window, "window", parameters), "event.kind = 'usage'"]
    conditions += filter_conditions("event", filters, parameters)
    if event_ids:
        parameters["event_ids"] = [str(event_id) for event_id in event_ids]
        conditions.append("event.event_id IN {event_ids:Array(UUID)}")
    if before is not None:
        parameters |= {"before_ms": before[0], "before_id": str(before[1])}
        conditions.append(
            "(toUnixTimestamp64Milli(event.occurred_at), UUIDToNum(event.event_id))"
            " < ({before_ms:Int64}, UUIDToNum({before_id:UUID}))"
        )
        conditions.append("event.occurred_at <= fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')")
    sql = (
        f"SELECT {', '.join(f'event.{column}' for column in columns)}\n"
        f"FROM {EVENTS} AS event\nWHERE {' AND '.join(conditions)}\n"
        "ORDER BY toStartOfHour(event.occurred_at) DESC, event.occurred_at DESC, UUIDToNum(event.event_id) DESC\n"
        "LIMIT {row_limit:UInt64}\n"
        # Otherwise ClickHouse buffers tens of thousands of rows before it returns the first few.
        "SETTINGS read_in_order_use_buffering = 0"
    )
    return Query(sql, parameters)
