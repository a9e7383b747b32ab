"""What the oracle counts, and what it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.validate import validate
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.reprice import CallSelection, append_adjustments, lease
from tests.support.blocks import empty
from tests.support.kafka.topic import Stored
from tests.support.pricing import write_book
from tests.support.repricing import HEAD, rate
from tests.torture.ledger import Ledger
from tests.torture.oracle import differences

EVERYTHING = CallSelection(start=datetime(2025, 9, 1, tzinfo=UTC), end=datetime(2025, 12, 1, tzinfo=UTC))


@pytest.fixture
async def session(store: Store) -> AsyncIterator[Session]:
    with store.session("oracle") as session:
        await empty(session)
        for table in ("reprice_blocks", "reprice_open_blocks", "reprice_runs"):
            await session.command(f"TRUNCATE TABLE {table}")
        yield session


def book(folder: Path, *rates: str) -> PriceBook:
    folder.mkdir()
    return write_book(folder, openai=HEAD.format("openai") + rate('"gpt-4o"', *rates))


async def reprice(session: Session, book: PriceBook) -> int:
    async with lease(session, EVERYTHING, book.version) as leased:
        return await append_adjustments(leased, book)


async def test_adjustments_are_no_further_calls(session: Session, tmp_path: Path) -> None:
    old, higher = book(tmp_path / "old", "2.50", "10.00"), book(tmp_path / "higher", "5.00", "20.00")
    ledger = Ledger(seed=1, retry_share=0.0, bad_share=0.0)
    records = [Stored(0, offset, record.key, record.value) for offset, record in enumerate(ledger.batch(100))]
    events = validate(records, now=datetime.now(UTC), max_future=timedelta(hours=1)).events
    block = build_block(events, coordinates=Coordinates("life", 0), book=old, users={}, ingested_at=datetime.now(UTC))
    await session.insert_arrow("usage_events", block)
    assert await differences(session, ledger) == []
    assert await reprice(session, higher) == 100
    found = await differences(session, ledger)
    assert found
    assert all("cost" in line and "ids" not in line and "requests" not in line for line in found)
    assert await reprice(session, old) == 100
    assert await differences(session, ledger) == []
