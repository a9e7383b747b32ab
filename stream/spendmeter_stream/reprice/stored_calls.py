"""Read stored calls: their number per hour, and pieces of them with the amounts counted so far."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.catalogue import COLUMNS, COST_COLUMNS, PRICING_COUNTERS
from spendmeter_events.usage_units import WHOLE_UNITS
from spendmeter_stream.reprice.selection import CallPiece, CallSelection

DIMENSIONS: Final = (
    "occurred_at", *COLUMNS, "conversation_id", "request_id", "service_tier", "region", "streamed", "tags",
)  # fmt: skip
"""Columns that an adjustment copies from its call, so that it falls into the same row of every rollup."""

_SELECTED: Final = """occurred_at >= {start:DateTime64(3)} AND occurred_at < {end:DateTime64(3)}
      AND (empty({providers:Array(String)}) OR has({providers:Array(String)}, provider))
      AND (empty({models:Array(String)}) OR has({models:Array(String)}, model))
      AND (empty({orgs:Array(String)}) OR has({orgs:Array(String)}, org_id))"""

_HOURS: Final = f"""
    SELECT toStartOfHour(occurred_at) AS hour, count() AS events
    FROM usage_events
    WHERE kind = 'usage' AND {_SELECTED}
    GROUP BY hour
    ORDER BY hour"""

_IN_PIECE: Final = f"""{_SELECTED}
      AND toStartOfHour(occurred_at) BETWEEN {{first_hour:DateTime}} AND {{last_hour:DateTime}}"""

_EARLIER: Final = f"""
    SELECT
        adjusts,
        toInt64(count()) AS adjustments,
        argMax(adjustment.pricing_status, adjustment.adjustment) AS pricing_status,
        argMax(adjustment.unpriced_units, adjustment.adjustment) AS unpriced_units,
        argMax(adjustment.price_version, adjustment.adjustment) AS price_version,
        {", ".join(f"sum(adjustment.{name}) AS {name}" for name in (*COST_COLUMNS, *PRICING_COUNTERS))}
    FROM usage_events AS adjustment
    WHERE kind = 'adjustment' AND {_IN_PIECE}
      AND sipHash64(adjusts) % {{slices:UInt32}} = {{slice:UInt32}}
    GROUP BY adjusts"""

# A call that is stored in two partitions is repriced once, as the copy that the daily removal of surplus copies keeps.
_PIECE: Final = f"""
    SELECT
        event.event_id AS event_id,
        {", ".join(f"event.{name} AS {name}" for name in DIMENSIONS)},
        {", ".join(f"toInt64(event.{name}) AS {name}" for name in WHOLE_UNITS)},
        toInt64(event.audio_seconds * 1000) AS audio_milliseconds,
        toUnixTimestamp64Milli(event.occurred_at) AS occurred_at_ms,
        event.provider_cost AS provider_cost,
        earlier.adjustments AS adjustments,
        if(adjustments = 0, event.pricing_status, earlier.pricing_status) AS pricing_status,
        if(adjustments = 0, event.unpriced_units, earlier.unpriced_units) AS unpriced_units,
        if(adjustments = 0, event.price_version, earlier.price_version) AS price_version,
        {", ".join(f"event.{name} + earlier.{name} AS {name}" for name in COST_COLUMNS)},
        {", ".join(f"toInt64(event.{name} + earlier.{name}) AS {name}" for name in PRICING_COUNTERS)}
    FROM
    (
        SELECT *
        FROM usage_events
        WHERE kind = 'usage' AND {_IN_PIECE}
          AND sipHash64(event_id) % {{slices:UInt32}} = {{slice:UInt32}}
        ORDER BY ingested_at, topic_id, topic_partition, topic_offset
        LIMIT 1 BY event_id
    ) AS event
    LEFT JOIN ({_EARLIER}) AS earlier ON earlier.adjusts = event.event_id
    ORDER BY toStartOfHour(event.occurred_at), UUIDToNum(event.event_id)"""


async def read_hours(session: Session, selection: CallSelection) -> list[tuple[datetime, int]]:
    """Return each UTC hour with selected calls, in order, and their number. Raises `StoreError`."""
    answer = await session.query(_HOURS, selection.parameters())
    return [(hour, events) for hour, events in answer.result_rows]


async def read_piece(session: Session, selection: CallSelection, piece: CallPiece) -> pa.Table:
    """Return one row per call, in table order: dimensions, counts, and current amounts including adjustments.

    Costs are USD, decimal128(38, 12); `adjustments` is the number of earlier adjustments. Raises `StoreError`.
    """
    parameters: dict[str, Any] = {
        **selection.parameters(),
        "first_hour": piece.first_hour,
        "last_hour": piece.last_hour,
        "slice": piece.slice,
        "slices": piece.slices,
    }
    table: pa.Table = await session.run(lambda client: client.query_arrow(_PIECE, parameters=parameters))
    return table.combine_chunks()


def values(table: pa.Table, name: str) -> list[Any]:
    """Return a column as Python values."""
    found: list[Any] = table[name].to_pylist()
    return found
