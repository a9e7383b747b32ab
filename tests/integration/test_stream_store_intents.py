"""Which range is open, as both stores tell it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.block import Coordinates
from spendmeter_stream.intents import OffsetRange, open_intent, write_intent
from tests.support.blocks import ELSEWHERE, HERE, empty


@pytest.fixture
async def session(any_store: Store) -> AsyncIterator[Session]:
    with any_store.session("test") as session:
        await empty(session)
        yield session


async def test_nothing_is_open_where_nothing_was_written(session: Session) -> None:
    assert await open_intent(session, HERE, committed=0) is None


async def test_the_range_that_begins_at_the_committed_offset_is_open(session: Session) -> None:
    await write_intent(session, HERE, OffsetRange(0, 10), generation=1)
    await write_intent(session, HERE, OffsetRange(10, 25), generation=1)
    assert await open_intent(session, HERE, committed=10) == OffsetRange(10, 25)
    assert await open_intent(session, HERE, committed=25) is None


async def test_an_intent_whose_fence_failed_leaves_the_one_before_it_open(session: Session) -> None:
    # The owner wrote its next range and died before it committed: the chunk before may be half stored.
    await write_intent(session, HERE, OffsetRange(0, 10), generation=1)
    await write_intent(session, HERE, OffsetRange(10, 25), generation=1)
    assert await open_intent(session, HERE, committed=0) == OffsetRange(0, 10)


async def test_of_two_owners_the_later_generation_is_right(session: Session) -> None:
    # The first froze before its fence and writes after the second did: its end is later in time, and wrong.
    await write_intent(session, HERE, OffsetRange(10, 30), generation=7)
    await write_intent(session, HERE, OffsetRange(10, 25), generation=6)
    assert await open_intent(session, HERE, committed=10) == OffsetRange(10, 30)


async def test_of_one_owner_the_last_word_is_right(session: Session) -> None:
    # An insert whose answer was lost is sent again: the same row twice.
    for end in (20, 25, 25):
        await write_intent(session, HERE, OffsetRange(10, end), generation=3)
    assert await open_intent(session, HERE, committed=10) == OffsetRange(10, 25)


async def test_a_group_moved_back_replays_no_old_range(session: Session) -> None:
    for start in (0, 10, 20):
        await write_intent(session, HERE, OffsetRange(start, start + 10), generation=1)
    assert await open_intent(session, HERE, committed=0) is None


async def test_every_partition_and_every_life_has_its_own(session: Session) -> None:
    await write_intent(session, HERE, OffsetRange(0, 10), generation=1)
    await write_intent(session, ELSEWHERE, OffsetRange(0, 20), generation=1)
    await write_intent(session, Coordinates("life-2", 0), OffsetRange(0, 30), generation=1)
    assert await open_intent(session, HERE, committed=0) == OffsetRange(0, 10)
    assert await open_intent(session, ELSEWHERE, committed=0) == OffsetRange(0, 20)
    assert await open_intent(session, Coordinates("life-2", 0), committed=0) == OffsetRange(0, 30)
    assert await open_intent(session, Coordinates("life-3", 0), committed=0) is None


async def test_offsets_may_be_as_large_as_kafka_makes_them(session: Session) -> None:
    far = 2**63 - 10
    await write_intent(session, HERE, OffsetRange(far, far + 5), generation=2**31 - 1)
    assert await open_intent(session, HERE, committed=far) == OffsetRange(far, far + 5)
