"""Create one adjustment for each call whose price in the book differs from the counted amount. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spendmeter_clickhouse.catalogue import COST_COLUMNS, PRICING_COUNTERS
from spendmeter_events.usage_units import WHOLE_UNITS
from spendmeter_stream.pricing import PriceBook, price_chunk
from spendmeter_stream.reprice.stored_calls import DIMENSIONS, values

USD: Final = pa.decimal128(38, 12)
_WIDE: Final = pa.decimal256(50, 12)
_NAMESPACE: Final = UUID("5b1f5d1c-9c0e-4b27-9d0c-2f0f2a1f7f11")
_PRICED_BY: Final = ("provider", "model", "org_id", "service_tier", "region")


@dataclass(frozen=True, slots=True)
class Repriced:
    """Calls with counted amounts, the columns priced with the book, and which calls differ."""

    counted: pa.Table
    now: Mapping[str, Any]
    differs: Any


def reprice(counted: pa.Table, book: PriceBook) -> Repriced:
    """Price calls from `reading.read_piece` with the rates of `book` in force when each occurred."""
    columns: dict[str, Any] = {name: values(counted, name) for name in _PRICED_BY}
    for name in (*WHOLE_UNITS, "audio_milliseconds", "occurred_at_ms"):
        columns[name] = counted[name].to_numpy().astype(np.int64)
    columns["tags"] = [dict(pairs) for pairs in values(counted, "tags")]
    columns["provider_cost"] = _flat(counted, "provider_cost").cast(USD)
    now = price_chunk(book, columns)
    # A new version alone is no difference: any price change in the book creates one.
    differs = np.zeros(counted.num_rows, np.bool_)
    for name in (*COST_COLUMNS, *PRICING_COUNTERS, "pricing_status"):
        new = now[name].cast(counted.schema.field(name).type)
        differs |= pc.not_equal(_flat(counted, name), new).to_numpy(zero_copy_only=False)
    old_units, new_units = values(counted, "unpriced_units"), now["unpriced_units"].to_pylist()
    differs |= np.fromiter((a != b for a, b in zip(old_units, new_units, strict=True)), np.bool_, counted.num_rows)
    return Repriced(counted, now, pa.array(differs))


def adjustments(repriced: Repriced, *, at: datetime, origin: str, block: int) -> pa.Table:
    """Return the rows of `usage_events` that bring each differing call to the book's price.

    An id derives from the call's id, its number of earlier adjustments and both versions: the same step gives the same
    id, and a return to an earlier book a different one.

    :param at: time of the repricing.
    :param origin: stored as `topic_id`.
    :param block: stored as `topic_partition`.
    """
    counted = repriced.counted.filter(repriced.differs)
    now = {name: column.filter(repriced.differs) for name, column in repriced.now.items()}
    size = counted.num_rows
    rows: dict[str, Any] = {
        "event_id": pa.array(_ids(counted, now["price_version"].to_pylist()), pa.binary(16)),
        "kind": _repeat("adjustment", size),
        "adjusts": pa.array([event_id.bytes for event_id in values(counted, "event_id")], pa.binary(16)),
        "adjustment": pa.array((counted["adjustments"].to_numpy() + 1).astype(np.uint16)),
        **{name: _flat(counted, name) for name in DIMENSIONS},
        "requests": pa.array(np.zeros(size, np.uint64)),
        **{name: _difference(now[name], _flat(counted, name)) for name in COST_COLUMNS},
        **{name: _step(now[name], counted[name]) for name in PRICING_COUNTERS},
        **{name: now[name] for name in ("pricing_status", "unpriced_units", "price_version", "price_card")},
        "topic_id": _repeat(origin, size),
        "topic_partition": pa.array(np.full(size, block, np.uint32)),
        "topic_offset": pa.array(np.arange(size, dtype=np.uint64)),
        "ingested_at": pa.array([at] * size, pa.timestamp("us", "UTC")).cast(pa.timestamp("ms", "UTC"), safe=False),
    }
    return pa.table(rows)


def _ids(counted: pa.Table, versions: list[str]) -> list[bytes]:
    steps = zip(
        values(counted, "event_id"),
        values(counted, "adjustments"),
        values(counted, "price_version"),
        versions,
        strict=True,
    )
    return [uuid5(_NAMESPACE, f"{event}:{earlier}:{old}:{new}").bytes for event, earlier, old, new in steps]


def _difference(new: Any, old: Any) -> Any:
    # Arrow types the difference of two 38-digit decimals with 39 digits, which needs the wider type.
    return pc.subtract(new.cast(_WIDE), old.cast(_WIDE)).cast(USD)


def _step(new: Any, old: Any) -> Any:
    return pc.subtract(new.cast(pa.int64()), old.combine_chunks()).cast(pa.int8())


def _flat(table: pa.Table, name: str) -> Any:
    return table[name].combine_chunks()


def _repeat(text: str, size: int) -> Any:
    return pc.cast(pa.repeat(text, size), pa.string())
