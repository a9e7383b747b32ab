"""Build blocks: enrich and price events with the current directory and price book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from spendmeter_stream.directory import Directory
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.ingest.gaps import count_gaps
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.pricing import PriceBook


@dataclass(frozen=True, slots=True)
class BlockBuilder:
    """Builds the blocks of one worker."""

    book: Callable[[], PriceBook]
    """Returns the price book in force."""
    directory: Directory

    def build(self, events: Events, coordinates: Coordinates, book: PriceBook) -> pa.Table:
        """Return one row of `usage_events` per event, and count unknown orgs, unknown users and unpriced units."""
        block = build_block(
            events,
            coordinates=coordinates,
            book=book,
            users=self.directory.users,
            ingested_at=datetime.now(UTC),
        )
        count_gaps(events, block, self.directory)
        return block
