"""Queries that run in a loop read a few rows, however long the history: the store rejects more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Final
from uuid import uuid4

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.barrier.barrier import ingest_barrier
from spendmeter_stream.barrier.requests import read_barriers, release_barriers, request_barrier
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.intents import OffsetRange, write_intent
from spendmeter_stream.journal.open_chunks import BegunChunk, newest_chunks
from spendmeter_stream.journal.orphans import suspect_orphans
from spendmeter_stream.journal.repricing import open_blocks, repricing_until
from spendmeter_stream.journal.suspects import close_suspects, flag_suspect, open_suspects
from spendmeter_stream.kafka.group_position import Stream
from tests.support.limits import limited_session

INTENTS: Final = 10_000_000
PARTITIONS: Final = 64
LAST: Final = (INTENTS // PARTITIONS - 1) * 100
"""Start of the last chunk of each partition; each chunk has 100 records."""
DAY: Final = date(2026, 11, 9)
ROWS: Final = 200_000
"""A look-up reads one granule of 8,192 rows per part."""

_INTENTS: Final = """
    INSERT INTO ingest_chunks (topic_id, topic_partition, start_offset, end_offset, generation)
    SELECT 'life', number % {partitions:UInt32}, intDiv(number, {partitions:UInt32}) * 100 AS start, start + 100, 7
    FROM numbers({intents:UInt64})"""
_LEDGERS: Final = (
    "INSERT INTO ingest_barriers (barrier_id, state, reason, deadline)"
    " SELECT reinterpretAsUUID(number + 1), 'requested', 'verify', now64(3) - 60 FROM numbers(250000)",
    "INSERT INTO ingest_barriers (barrier_id, state, reason, deadline)"
    " SELECT reinterpretAsUUID(number + 1), 'released', '', 0 FROM numbers(250000)",
    "INSERT INTO ingest_suspect_blocks (suspect_id, state, days)"
    " SELECT reinterpretAsUUID(number + 1), 'flagged', [toDate('2026-11-01')] FROM numbers(250000)",
    "INSERT INTO ingest_suspect_blocks (suspect_id, state)"
    " SELECT reinterpretAsUUID(number + 1), 'reconciled' FROM numbers(250000)",
    "INSERT INTO reprice_blocks (run_id, block, state, first_hour, last_hour)"
    " SELECT reinterpretAsUUID(intDiv(number, 1000) + 1), number % 1000, 'started', now(), now() FROM numbers(500000)",
    "INSERT INTO reprice_blocks (run_id, block, state, first_hour, last_hour)"
    " SELECT reinterpretAsUUID(intDiv(number, 1000) + 1), number % 1000, 'completed', now(), now()"
    " FROM numbers(500000)",
    "INSERT INTO reprice_runs (run_id, state, deadline)"
    " SELECT reinterpretAsUUID(intDiv(number, 1000) + 1), 'leased', now64(3) - 3600 FROM numbers(500000)",
    "INSERT INTO reprice_runs (run_id, state, deadline)"
    " SELECT reinterpretAsUUID(number + 1), 'released', now64(3) - 3600 FROM numbers(500)",
    # As background merges do with small inserts in production.
    "OPTIMIZE TABLE ingest_open_barriers FINAL",
    "OPTIMIZE TABLE ingest_open_suspects FINAL",
    "OPTIMIZE TABLE reprice_open_blocks FINAL",
)


@pytest.fixture(scope="module")
def long_history(chdb_store: Store) -> None:
    async def fill(session: Session) -> None:
        await session.command(_INTENTS, {"partitions": PARTITIONS, "intents": INTENTS})
        for statement in _LEDGERS:
            await session.command(statement)

    with chdb_store.session("fill") as session:
        asyncio.run(fill(session))


@pytest.fixture
async def session(chdb_store: Store, long_history: None) -> AsyncIterator[Session]:
    """Yield a session whose statements may read only a few granules."""

    with limited_session(chdb_store, rows=ROWS) as limited:
        yield limited


async def test_the_limits_refuse_a_scan_of_the_history(session: Session) -> None:
    with pytest.raises(Exception, match="max rows"):
        await session.query("SELECT topic_partition, max(start_offset) FROM ingest_chunks GROUP BY 1")


async def test_the_newest_chunks(session: Session) -> None:
    newest = await newest_chunks(session, "life")
    assert [(it.partition, it.start, it.end, it.generation) for it in newest] == [
        (partition, LAST, LAST + 100, 7) for partition in range(PARTITIONS)
    ]


async def test_the_newest_chunks_of_every_topic_epoch(session: Session) -> None:
    await _begin(session, Coordinates("another", 2), OffsetRange(0, 5), generation=1)
    assert _partitions(await newest_chunks(session)) == [("another", 2), *(("life", it) for it in range(PARTITIONS))]


async def test_the_chunk_of_the_newest_generation_is_the_newest(session: Session) -> None:
    here = Coordinates("generations", 0)
    await _begin(session, here, OffsetRange(10, 30), generation=7)
    await _begin(session, here, OffsetRange(10, 25), generation=6)
    await _begin(session, here, OffsetRange(0, 99), generation=9)
    (newest,) = await newest_chunks(session, "generations")
    assert (newest.start, newest.end, newest.generation) == (10, 30, 7)


async def test_chunks_of_former_topic_epochs(session: Session) -> None:
    former = Coordinates("former", 1)
    await _begin(session, former, OffsetRange(40, 50), generation=2)
    assert await suspect_orphans(session, topic_id="life", partitions=range(PARTITIONS)) >= 1
    suspects = [suspect for suspect in await open_suspects(session) if DAY in suspect.days]
    assert await suspect_orphans(session, topic_id="life", partitions=range(PARTITIONS)) == 0
    assert suspects
    await close_suspects(session, suspects)


async def test_pauses(session: Session) -> None:
    before = await read_barriers(session)
    assert (before.requested, before.active, before.expired) == (250_000, frozenset(), frozenset())
    pause = uuid4()
    await request_barrier(session, pause, reason="test", seconds=60)
    during = await read_barriers(session)
    assert (during.requested, during.active) == (250_001, frozenset({pause}))
    await release_barriers(session, [pause])
    after = await read_barriers(session)
    assert (after.requested, after.active, after.expired) == (250_001, frozenset(), frozenset())


async def test_a_pause_ended_by_several_workers_at_once_is_over(session: Session) -> None:
    pause = uuid4()
    await request_barrier(session, pause, reason="test", seconds=60)
    await release_barriers(session, [pause, pause, pause])
    assert pause not in (await read_barriers(session)).active


async def test_open_suspects(session: Session) -> None:
    await flag_suspect(session, "life:0:0-9", days=[date(2026, 11, 3)])
    (suspect,) = await open_suspects(session)
    assert suspect.days == {date(2026, 11, 3)}
    await close_suspects(session, [suspect])
    assert await open_suspects(session) == []


async def test_the_reprice_ledger(session: Session) -> None:
    assert await open_blocks(session) == []
    assert await repricing_until(session) is None


async def test_a_whole_ingest_barrier(session: Session) -> None:
    async def committed() -> dict[int, int]:
        return dict.fromkeys(range(PARTITIONS), LAST + 100)

    async with ingest_barrier(
        session, Stream(topic_id="life", committed=committed), reason="test", seconds=30
    ) as barrier:
        await barrier.ensure_active()
        assert (await read_barriers(session)).active == {barrier.id}
    assert (await read_barriers(session)).active == frozenset()


def _partitions(chunks: list[BegunChunk]) -> list[tuple[str, int]]:
    return [(chunk.topic_id, chunk.partition) for chunk in chunks if chunk.topic_id in ("life", "another")]


async def _begin(session: Session, here: Coordinates, offsets: OffsetRange, *, generation: int) -> None:
    decided_at = datetime(2026, 11, 9, 12, tzinfo=UTC)
    await write_intent(session, here, offsets, generation=generation, days=[DAY], decided_at=decided_at)
