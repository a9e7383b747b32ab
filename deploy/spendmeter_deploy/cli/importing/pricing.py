"""Price imported events by the price book of this installation, as the worker does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from spendmeter_events import UsageEvent
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.settings import StreamSettings

_NO_COORDINATES: Final = Coordinates(topic_id="", partition=0)


class EstimatedCost(NamedTuple):
    """The cost of one event by the files of the price book."""

    cost: Decimal
    """USD."""
    status: str
    """`priced`, `partial`, `unpriced` or `free`."""
    missing: tuple[str, ...]
    """Units without a rate."""


async def load_book() -> PriceBook:
    """Return the files of the price book. Rows that `spendmeter prices` stored are only known to the worker.

    :raises PriceBookError: a file has a fault.
    """
    return await asyncio.to_thread(PriceBook.load, StreamSettings().prices_path)


def estimate(book: PriceBook, events: Sequence[UsageEvent]) -> list[EstimatedCost]:
    """Return the cost of each event, in order."""
    block = build_block(
        Events.of(events), coordinates=_NO_COORDINATES, book=book, users={}, ingested_at=datetime.now(UTC)
    )
    columns: list[list[Any]] = [block[name].to_pylist() for name in ("cost", "pricing_status", "unpriced_units")]
    return [EstimatedCost(cost, status, tuple(units)) for cost, status, units in zip(*columns, strict=True)]
