"""Half-stored chunks of former topic epochs, lost partitions and moved groups become suspect, and are reconciled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.journal.coordinates import Coordinates, days_of
from spendmeter_stream.journal.intents import OffsetRange, write_intent
from spendmeter_stream.journal.orphans import suspect_orphans
from spendmeter_stream.journal.suspects import open_suspects
from spendmeter_stream.recovery.reconcile import reconcile
from tests.support.blocks import block_of, books_of, empty, events_around_a_month_boundary, insert_block, read_books
from tests.support.chunks import Group, Scene

FORMER = Coordinates("former", 3)
RANGE = OffsetRange(0, 100)
NOW = "now"
DAYS = frozenset({date(2026, 10, 31), date(2026, 11, 1)})


@pytest.fixture
async def session(any_store: Store) -> AsyncIterator[Session]:
    with any_store.session("test", size=2) as session:
        await empty(session)
        for table in ("ingest_suspect_blocks", "ingest_open_suspects", "ingest_orphan_checkpoints"):
            await session.command(f"TRUNCATE TABLE {table}")
        yield session


@pytest.fixture
def cpu() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


async def begin(session: Session, where: Coordinates, offsets: OffsetRange, *, days: frozenset[date] = DAYS) -> None:
    await write_intent(session, where, offsets, generation=1, days=days, decided_at=datetime.now(UTC))


async def settled(session: Session) -> None:
    group = Group(topic_id=NOW, committed={0: 100})
    await reconcile(session, await open_suspects(session), group.stream())
    assert await open_suspects(session) == []


@pytest.mark.parametrize("landed", ["raw", "rollup"])
async def test_a_chunk_of_a_former_epoch_is_reconciled(session: Session, landed: str) -> None:
    """It reached raw events but not one rollup, or only one rollup."""
    block = block_of(events_around_a_month_boundary(100), coordinates=FORMER)
    await begin(session, FORMER, RANGE, days=frozenset(days_of(block)))
    await insert_block(session, block, "former")
    await session.command("TRUNCATE TABLE usage_hourly" if landed == "raw" else "TRUNCATE TABLE usage_events")
    assert await suspect_orphans(session, topic_id=NOW) == 1
    # A second check finds nothing: the chunk was examined.
    assert await suspect_orphans(session, topic_id=NOW) == 0
    if landed == "rollup":
        # A rebuild rejects a month without raw events, so another call of each month remains.
        block = block_of(events_around_a_month_boundary(2, first=200), coordinates=Coordinates(NOW, 0))
        await insert_block(session, block, "other")
    await settled(session)
    assert await read_books(session) == books_of(block)


async def test_days_that_no_intent_names_come_from_raw_events(session: Session) -> None:
    await begin(session, FORMER, RANGE, days=frozenset())
    block = block_of(events_around_a_month_boundary(100), coordinates=FORMER)
    await insert_block(session, block, "former")
    await suspect_orphans(session, topic_id=NOW)
    assert [suspect.days for suspect in await open_suspects(session)] == [DAYS]


async def test_chunks_of_the_current_epoch_have_owners(session: Session) -> None:
    await begin(session, Coordinates(NOW, 0), RANGE)
    assert await suspect_orphans(session, topic_id=NOW, partitions=[0, 1]) == 0
    assert await suspect_orphans(session, topic_id=NOW) == 0


async def test_a_partition_that_the_topic_has_no_more_has_none(session: Session) -> None:
    await begin(session, Coordinates(NOW, 5), RANGE)
    assert await suspect_orphans(session, topic_id=NOW, partitions=[0, 1]) == 1
    assert [suspect.days for suspect in await open_suspects(session)] == [DAYS]


async def test_rows_written_after_a_check_are_checked(session: Session) -> None:
    await begin(session, FORMER, RANGE)
    assert await suspect_orphans(session, topic_id=NOW) == 1
    await asyncio.sleep(0.01)
    # A worker of the former epoch that was frozen meanwhile.
    await begin(session, FORMER, RANGE)
    assert await suspect_orphans(session, topic_id=NOW) == 1


async def test_only_the_two_newest_chunks_of_a_partition_can_be_open(session: Session) -> None:
    for start in range(0, 100, 10):
        await begin(session, FORMER, OffsetRange(start, start + 10))
    assert await suspect_orphans(session, topic_id=NOW) == 2


async def test_a_removed_partition_does_not_block_the_ingest_barrier(session: Session) -> None:
    """A rebuild needs a barrier, and no worker closes a chunk of a removed partition."""
    await begin(session, Coordinates(NOW, 5), RANGE)
    block = block_of(events_around_a_month_boundary(100), coordinates=Coordinates(NOW, 5))
    await insert_block(session, block, "gone")
    await session.command("TRUNCATE TABLE usage_daily")
    await suspect_orphans(session, topic_id=NOW, partitions=[0])
    await settled(session)
    assert await read_books(session) == books_of(block)


async def test_a_group_moved_back_leaves_no_half_stored_chunk(
    any_store: Store, session: Session, cpu: ThreadPoolExecutor
) -> None:
    scene = Scene(any_store, session, cpu)
    await scene.begin()
    owner = await scene.next_owner()
    await owner.take(20)
    # The owner dies with its chunk in raw events and not in the rollups; then the group is moved.
    await session.command(
        "ALTER TABLE usage_hourly DELETE WHERE org_id = {org:String} SETTINGS mutations_sync = 2", {"org": scene.org}
    )
    scene.group.committed[0] = 3
    owner = await scene.next_owner()
    await owner.take(30)
    await owner.close()
    suspects = await open_suspects(session)
    assert suspects
    await reconcile(session, suspects, scene.group.stream())
    await scene.check(requests=30)
