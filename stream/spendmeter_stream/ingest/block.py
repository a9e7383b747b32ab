"""Build the block of `usage_events` for validated events: enriched, priced, ready to insert. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spendmeter_clickhouse.catalogue import ATTRIBUTES, COLUMNS
from spendmeter_events.event import SYSTEM_USER
from spendmeter_events.usage_units import REASONING, WHOLE_UNITS
from spendmeter_stream.directory import UNKNOWN, UserAttributes, UserHistory
from spendmeter_stream.ingest.decode import Events, WireEvent
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.pricing import PriceBook, price_chunk

USD: Final = pa.decimal128(38, 12)
_MILLISECONDS: Final = pa.timestamp("ms", "UTC")

_TEXT: Final = (
    *(column for column in COLUMNS if column not in ("user_id", *ATTRIBUTES)),
    "conversation_id", "request_id", "service_tier", "region", "error_message",
)  # fmt: skip
_COUNTS: Final = (*WHOLE_UNITS, REASONING)


_VALUES: Final = {name: attrgetter(name) for name in WireEvent.__struct_fields__}


def build_block(
    events: Events,
    *,
    coordinates: Coordinates,
    book: PriceBook,
    users: Mapping[tuple[str, str], UserHistory],
    ingested_at: datetime,
) -> pa.Table:
    """Return one row of `usage_events` per event, in order. Costs are USD with 12 decimals."""
    columns: dict[str, Any] = {name: list(map(value, events.fields)) for name, value in _VALUES.items()}
    occurred_at = pa.array(events.occurred_at_ms).cast(_MILLISECONDS)
    counts = {name: np.array(columns[name], dtype=np.int64) for name in _COUNTS}
    audio_ms = np.rint(np.array(columns["audio_seconds"], dtype=np.float64) * 1000).astype(np.int64)
    user_ids = [user_id or SYSTEM_USER for user_id in columns["user_id"]]
    size = len(events)
    provider_cost = _provider_cost(columns["provider_cost_usd"])
    block: dict[str, pa.Array[Any]] = {
        "event_id": pa.Array.from_buffers(pa.binary(16), size, [None, pa.py_buffer(b"".join(events.keys))]),
        "occurred_at": occurred_at,
        "user_id": pa.array(user_ids, pa.string()),
        **_text(columns),
        **_attributes(zip(columns["org_id"], user_ids, strict=True), events.occurred_at_ms.tolist(), users),
        **{name: pa.array(values.view(np.uint64)) for name, values in counts.items()},
        "audio_seconds": thousandths(audio_ms),
        **_price(book, columns, counts, events.occurred_at_ms, audio_ms, provider_cost),
        "provider_cost": provider_cost,
        "latency_ms": pa.array(columns["latency_ms"], pa.uint32()),
        "ttft_ms": pa.array(columns["ttft_ms"], pa.uint32()),
        "streamed": pa.array(columns["streamed"], pa.bool_()),
        "tags": pa.array([list(tags.items()) for tags in columns["tags"]], pa.map_(pa.string(), pa.string())),
        "topic_id": _repeat(coordinates.topic_id, size),
        "topic_partition": pa.array(np.full(size, coordinates.partition, dtype=np.uint32)),
        "topic_offset": pa.array(np.array(events.offsets, dtype=np.uint64)),
        "ingested_at": pa.array(np.full(size, ingested_at.timestamp() * 1000, dtype=np.int64)).cast(_MILLISECONDS),
    }
    return pa.table(block)


def thousandths(milliseconds: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Array[Any]:
    """Convert whole milliseconds to seconds with three decimals, exactly."""
    pairs = np.zeros((len(milliseconds), 2), dtype=np.int64)
    pairs[:, 0] = milliseconds
    return pa.Array.from_buffers(pa.decimal128(18, 3), len(milliseconds), [None, pa.py_buffer(pairs.tobytes())])


def _text(columns: Mapping[str, Any]) -> dict[str, pa.Array[Any]]:
    return {name: pa.array(columns[name], pa.string()) for name in _TEXT}


def _attributes(
    pairs: Iterable[tuple[str, str]], times_ms: Sequence[int], users: Mapping[tuple[str, str], UserHistory]
) -> dict[str, pa.Array[Any]]:
    """Return the attributes in force when each call occurred."""
    attributes = [users.get(pair, UNKNOWN).at(time_ms) for pair, time_ms in zip(pairs, times_ms, strict=True)]
    return {
        name: pa.array([user[index] for user in attributes], pa.string())
        for index, name in enumerate(UserAttributes._fields)
    }


def _price(
    book: PriceBook,
    columns: Mapping[str, Any],
    counts: Mapping[str, Any],
    occurred_at_ms: np.ndarray[Any, np.dtype[np.int64]],
    audio_ms: np.ndarray[Any, np.dtype[np.int64]],
    provider_cost: pa.Array[Any],
) -> dict[str, pa.Array[Any]]:
    usage = {
        **{name: columns[name] for name in ("provider", "model", "org_id", "service_tier", "region", "tags")},
        **counts,
        "audio_milliseconds": audio_ms,
        "occurred_at_ms": occurred_at_ms,
        "provider_cost": provider_cost,
    }
    return price_chunk(book, usage)


def _provider_cost(values: Sequence[float | None]) -> pa.Array[Any]:
    """Return the provider's own cost in USD. It is almost always absent, so exactness may be slow."""
    if not any(value is not None for value in values):
        return pa.nulls(len(values), USD)
    quantum = Decimal("1e-12")
    return pa.array([None if value is None else Decimal(repr(value)).quantize(quantum) for value in values], USD)


def _repeat(text: str, size: int) -> pa.Array[Any]:
    return pc.cast(pa.repeat(text, size), pa.string())
