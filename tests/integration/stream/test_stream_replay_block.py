"""A replayed block equals the original one: the store recognises its token."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from spendmeter_clickhouse import Store
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.exactly_once import exactly_once
from spendmeter_stream.journal.intents import OffsetRange, insert_token
from spendmeter_stream.journal.landed_rows import with_landed_rows
from spendmeter_stream.pricing import PriceBookWatcher
from tests.support.records import event

_HERE = Coordinates("a-life", 3)
_MONTHS = ("2026-08-31T23:59:59.000Z", "2026-09-01T00:00:00.000Z", "2026-10-02T10:00:00.000Z")


def block_of(offsets: OffsetRange) -> pa.Table:
    """Return events of three months, alternating."""
    numbers = range(offsets.start, offsets.end)
    return build_block(
        Events.of([event(number, occurred_at=_MONTHS[number % 3]) for number in numbers], numbers),
        coordinates=_HERE,
        book=PriceBookWatcher(directory=None).book,
        users={},
        ingested_at=datetime.now(UTC),
    )


async def test_a_landed_chunk_that_spans_months_is_not_counted_again_when_replayed(store: Store) -> None:
    offsets = OffsetRange(100, 130)
    settings = exactly_once(insert_token(_HERE, offsets))
    with store.session("replay") as session:
        await session.insert_arrow("usage_events", block_of(offsets), settings=settings)
        replayed = await with_landed_rows(session, block_of(offsets), _HERE, offsets)
        await session.insert_arrow("usage_events", replayed, settings=settings)
        raw = await session.query("SELECT count() FROM usage_events")
        rollup = await session.query("SELECT sum(requests) FROM usage_hourly")
    assert len(replayed.to_batches()) == 1
    assert raw.result_rows == [(30,)]
    assert rollup.result_rows == [(30,)]
