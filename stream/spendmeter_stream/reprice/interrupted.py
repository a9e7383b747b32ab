"""Recover blocks of interrupted runs."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.catalogue import COST_COLUMNS, PRICING_COUNTERS
from spendmeter_stream.journal.repricing import RepricingBlock
from spendmeter_stream.reprice.stored_calls import DIMENSIONS, values

_COLUMNS: Final = (
    "event_id", "kind", "adjusts", "adjustment", *DIMENSIONS, "requests", *COST_COLUMNS, *PRICING_COUNTERS,
    "pricing_status", "unpriced_units", "price_version", "price_card", "topic_id", "topic_partition", "topic_offset",
    "ingested_at",
)  # fmt: skip

_LANDED: Final = f"""
    SELECT {", ".join(_COLUMNS)}
    FROM usage_events
    WHERE kind = 'adjustment' AND topic_id = {{origin:String}} AND topic_partition = {{block:UInt32}}
      AND toStartOfHour(occurred_at) BETWEEN {{first:DateTime}} AND {{last:DateTime}}
    ORDER BY topic_offset"""


async def landed_rows(session: Session, block: RepricingBlock) -> pa.Table:
    """Return the landed rows of `block` in order, ready for a retry. Raises `StoreError`."""
    parameters = {
        "origin": block.origin,
        "block": block.number,
        "first": block.first_hour,
        "last": block.last_hour,
    }
    table: pa.Table = await session.run(lambda client: client.query_arrow(_LANDED, parameters=parameters))
    for name in ("event_id", "adjusts"):
        place = table.schema.get_field_index(name)
        raw = [event_id.bytes for event_id in values(table, name)]
        table = table.set_column(place, name, pa.array(raw, pa.binary(16)))
    return table
