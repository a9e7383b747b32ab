"""Copies of a call in two partitions are found, removed and reconciled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pyarrow as pa
import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_events import UsageEvent
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.suspects import open_suspects
from spendmeter_stream.maintenance.surplus import remove_surplus, remove_surplus_when_due
from spendmeter_stream.recovery.reconcile import reconcile
from spendmeter_stream.verify import Days, Surroundings, verify
from tests.support.blocks import ELSEWHERE, HERE, block_of, books_of, empty, insert_block, read_books
from tests.support.chunks import Group, value
from tests.support.metrics import metric
from tests.support.records import event

LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)


@pytest.fixture
async def session(any_store: Store) -> AsyncIterator[Session]:
    with any_store.session("test", size=2) as session:
        await empty(session)
        for table in ("ingest_suspect_blocks", "ingest_open_suspects", "ingest_surplus", "ingest_surplus_scans"):
            await session.command(f"TRUNCATE TABLE {table}")
        yield session


def stamped(number: int, moment: str) -> UsageEvent:
    return event(number, occurred_at=moment, latency_ms=number)


async def store(session: Session, events: list[UsageEvent], where: Coordinates, *, first_offset: int = 0) -> pa.Table:
    block = block_of(events, coordinates=where, first_offset=first_offset)
    # Tests share a store, and `TRUNCATE` keeps its deduplication log.
    await insert_block(session, block, uuid4().hex)
    return block


async def look(session: Session) -> int:
    return await remove_surplus(session, since=LONG_AGO, until=datetime.now(UTC) + timedelta(minutes=1))


async def settled(session: Session) -> None:
    await reconcile(session, await open_suspects(session), Group().stream())


async def duplicates(session: Session) -> int:
    report = await verify(session, Days(), around=Surroundings(moving=False))
    assert report.results == []
    return report.duplicate_ids


async def test_the_copy_that_came_first_stays_and_rollups_agree(session: Session) -> None:
    kept = await store(session, [stamped(1, "2026-10-31T23:50:00Z"), stamped(2, "2026-11-01T10:00:00Z")], HERE)
    # Sent again with another partitioner and new timestamps, across a month's end.
    await store(session, [stamped(1, "2026-11-01T00:30:00Z"), stamped(2, "2026-11-01T10:00:00Z")], ELSEWHERE)
    other = await store(session, [stamped(3, "2026-11-01T10:00:00Z")], ELSEWHERE, first_offset=2)
    assert await duplicates(session) == 2
    before = metric("spendmeter_surplus_copies_removed_total")
    assert await look(session) == 2
    await settled(session)
    assert await read_books(session) == books_of(kept, other)
    assert await duplicates(session) == 0
    assert metric("spendmeter_surplus_copies_removed_total") == before + 2
    # Removed copies are recorded, with the place of the remaining copy.
    rows = await session.query("SELECT topic_partition, kept_partition FROM ingest_surplus")
    assert rows.result_rows == [(1, 0), (1, 0)]
    assert await look(session) == 0


async def test_rows_of_the_last_hour_may_still_be_recovered(session: Session) -> None:
    for where in (HERE, ELSEWHERE):
        await store(session, [stamped(1, "2026-11-01T10:00:00Z")], where)
    assert await remove_surplus_when_due(session) == 0
    assert await duplicates(session) == 1


async def test_it_looks_once_a_day(session: Session) -> None:
    assert await remove_surplus_when_due(session) == 0
    assert await remove_surplus_when_due(session) == 0
    assert await value(session, "SELECT count() FROM ingest_surplus_scans") == 1
    await session.command(
        "ALTER TABLE ingest_surplus_scans UPDATE at = at - INTERVAL 25 HOUR WHERE 1 SETTINGS mutations_sync = 2"
    )
    await remove_surplus_when_due(session)
    assert await value(session, "SELECT count() FROM ingest_surplus_scans") == 2


async def test_rows_at_the_same_coordinates_are_left_to_verify(session: Session) -> None:
    block = await store(session, [stamped(1, "2026-11-01T10:00:00Z")], HERE)
    await insert_block(session, block, uuid4().hex)
    assert await look(session) == 0
    assert await duplicates(session) == 1
