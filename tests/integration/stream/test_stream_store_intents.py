"""Open ranges in both stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.intents import Intent, OffsetRange, abandoned, newest_intents, open_intent, write_intent
from tests.support.blocks import ELSEWHERE, HERE, empty

DAY = date(2026, 11, 2)
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
async def session(any_store: Store) -> AsyncIterator[Session]:
    with any_store.session("test") as session:
        await empty(session)
        yield session


async def begin(session: Session, coordinates: Coordinates, offsets: OffsetRange, *, generation: int) -> None:
    await write_intent(session, coordinates, offsets, generation=generation, days=[DAY], decided_at=NOW)


async def found(session: Session, coordinates: Coordinates, *, committed: int) -> OffsetRange | None:
    intent = open_intent(await newest_intents(session, coordinates), committed=committed)
    return intent.offsets if intent else None


async def test_nothing_is_open_where_nothing_was_written(session: Session) -> None:
    assert await found(session, HERE, committed=0) is None


async def test_the_range_that_begins_at_the_committed_offset_is_open(session: Session) -> None:
    await begin(session, HERE, OffsetRange(0, 10), generation=1)
    await begin(session, HERE, OffsetRange(10, 25), generation=1)
    assert await found(session, HERE, committed=10) == OffsetRange(10, 25)
    assert await found(session, HERE, committed=25) is None


async def test_an_intent_whose_fence_failed_leaves_the_one_before_it_open(session: Session) -> None:
    # The owner wrote its next range and died before the commit: the previous chunk may be half stored.
    await begin(session, HERE, OffsetRange(0, 10), generation=1)
    await begin(session, HERE, OffsetRange(10, 25), generation=1)
    assert await found(session, HERE, committed=0) == OffsetRange(0, 10)


async def test_of_two_owners_the_later_generation_is_right(session: Session) -> None:
    # The first worker froze before its fence and writes after the second: its range is newer, and wrong.
    await begin(session, HERE, OffsetRange(10, 30), generation=7)
    await begin(session, HERE, OffsetRange(10, 25), generation=6)
    assert await found(session, HERE, committed=10) == OffsetRange(10, 30)


async def test_of_one_owner_the_last_word_is_right(session: Session) -> None:
    # An insert whose response was lost is retried: the same row twice.
    for end in (20, 25, 25):
        await begin(session, HERE, OffsetRange(10, end), generation=3)
    assert await found(session, HERE, committed=10) == OffsetRange(10, 25)


async def test_a_group_moved_back_replays_no_old_range(session: Session) -> None:
    for start in (0, 10, 20):
        await begin(session, HERE, OffsetRange(start, start + 10), generation=1)
    assert await found(session, HERE, committed=0) is None


async def test_every_partition_and_topic_epoch_has_its_own(session: Session) -> None:
    await begin(session, HERE, OffsetRange(0, 10), generation=1)
    await begin(session, ELSEWHERE, OffsetRange(0, 20), generation=1)
    await begin(session, Coordinates("life-2", 0), OffsetRange(0, 30), generation=1)
    assert await found(session, HERE, committed=0) == OffsetRange(0, 10)
    assert await found(session, ELSEWHERE, committed=0) == OffsetRange(0, 20)
    assert await found(session, Coordinates("life-2", 0), committed=0) == OffsetRange(0, 30)
    assert await found(session, Coordinates("life-3", 0), committed=0) is None


async def test_offsets_may_be_as_large_as_kafka_makes_them(session: Session) -> None:
    far = 2**63 - 10
    await begin(session, HERE, OffsetRange(far, far + 5), generation=2**31 - 1)
    assert await found(session, HERE, committed=far) == OffsetRange(far, far + 5)


async def test_decisions_of_the_first_owner_are_kept(session: Session) -> None:
    # Both copies have the time of the first validation, and the days of all owners.
    await write_intent(session, HERE, OffsetRange(10, 20), generation=1, days=[DAY], decided_at=NOW)
    await write_intent(session, HERE, OffsetRange(10, 20), generation=2, days=[date(2026, 10, 31)], decided_at=NOW)
    (intent,) = await newest_intents(session, HERE)
    assert (intent.decided_at, intent.days) == (NOW, (date(2026, 10, 31), DAY))


@pytest.mark.parametrize(
    ("committed", "starts"),
    [(20, []), (30, []), (10, [20]), (0, [20, 10]), (25, [20, 10]), (40, [20, 10])],
    ids=["at the newest", "closed", "at the one before", "moved back", "moved into it", "moved on"],
)
async def test_chunks_that_a_recovery_does_not_complete(session: Session, committed: int, starts: list[int]) -> None:
    for start in (0, 10, 20):
        await begin(session, HERE, OffsetRange(start, start + 10), generation=1)
    left: list[Intent] = list(abandoned(await newest_intents(session, HERE), committed=committed))
    assert [intent.offsets.start for intent in left] == starts
