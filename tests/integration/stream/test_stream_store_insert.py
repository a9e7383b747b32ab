"""A block and its token, on both stores: whatever happens to the first attempt, a retry stores the block once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from spendmeter_clickhouse import Session, Store, StoreError
from tests.support.blocks import (
    ROLLUPS,
    block_of,
    books_of,
    empty,
    events_around_a_month_boundary,
    insert_block,
    read_books,
)
from tests.support.records import event


@pytest.fixture
async def session(any_store: Store) -> AsyncIterator[Session]:
    with any_store.session("test", size=3) as session:
        await empty(session)
        yield session


async def test_every_column_of_a_block_is_stored_as_it_was_made(session: Session) -> None:
    block = block_of(
        [
            event(
                1, tags={"k": "v'\\"}, provider_cost_usd=0.1, user_id=None, error_message="it's; broken", status="error"
            ),
            event(2, audio_seconds=1.234, model="no such model", latency_ms=0, ttft_ms=7, streamed=True),
        ]
    )
    await insert_block(session, block, "t-1")
    names = ", ".join(block.column_names)
    sql = f"SELECT {names} FROM usage_events ORDER BY topic_offset"
    stored = (await session.query(sql)).result_rows
    made = [tuple(_as_read(name, value) for name, value in row.items()) for row in block.to_pylist()]
    assert stored == made


def _as_read(name: str, value: Any) -> Any:
    if name == "event_id":
        return UUID(bytes=value)
    return dict(value) if name == "tags" else value


async def test_the_same_token_twice_adds_nothing_anywhere(session: Session) -> None:
    block = block_of(events_around_a_month_boundary(500))
    for _ in range(3):
        await insert_block(session, block, "t-2")
    assert await read_books(session) == books_of(block)


async def test_a_rebuilt_block_with_its_old_token_adds_nothing(session: Session) -> None:
    # Another worker sets another `ingested_at`; without the token, the sums would differ.
    events = events_around_a_month_boundary(100)
    first = block_of(events)
    await insert_block(session, first, "t-3")
    await insert_block(session, block_of(events), "t-3")
    assert await read_books(session) == books_of(first)


async def test_equal_blocks_under_two_tokens_are_two_blocks(session: Session) -> None:
    # Rollup rows of two chunks can be identical: two calls in one quarter-hour, each in its own chunk.
    first, second = block_of([event(1)]), block_of([event(61)], first_offset=1)
    await insert_block(session, first, "t-4")
    await insert_block(session, second, "t-5")
    assert await read_books(session) == books_of(first, second)


@pytest.mark.parametrize("broken", ROLLUPS)
async def test_raw_landed_and_a_view_not(session: Session, broken: str) -> None:
    # A view whose table rejects rows stops the insert after raw events and some views have it.
    block = block_of(events_around_a_month_boundary(300))
    await session.command(f"ALTER TABLE {broken} ADD CONSTRAINT refuse CHECK sleepEachRow(0) = 1")
    with pytest.raises(StoreError, match="VIOLATED_CONSTRAINT"):
        await insert_block(session, block, f"t-6-{broken}")
    half = await read_books(session)
    assert half != books_of(block)
    await session.command(f"ALTER TABLE {broken} DROP CONSTRAINT refuse")
    await insert_block(session, block, f"t-6-{broken}")
    assert await read_books(session) == books_of(block)


async def test_a_retry_beside_the_first_attempt(session: Session) -> None:
    # A client that timed out retries while the server still executes the first attempt.
    blocks = [block_of(events_around_a_month_boundary(500, first=1000 * n), first_offset=1000 * n) for n in range(4)]
    for number, block in enumerate(blocks):
        await asyncio.gather(*(insert_block(session, block, f"t-8-{number}") for _ in range(3)))
    assert await read_books(session) == books_of(*blocks)


async def test_a_full_block_is_one_part_a_month(session: Session) -> None:
    block = block_of(events_around_a_month_boundary(10_000))
    for _ in range(2):
        await insert_block(session, block, "t-9")
    assert await read_books(session) == books_of(block)
    parts = await session.query(
        "SELECT count() FROM system.parts WHERE active AND database = currentDatabase() AND table = 'usage_events'"
    )
    assert parts.result_rows == [(2,)]
