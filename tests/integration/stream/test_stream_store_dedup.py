"""Stored ids in both stores: the filter rebuilt on assignment, and look-ups by hour and id."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from aiokafka.partitioner import DefaultPartitioner

from spendmeter_clickhouse import Session, Store
from spendmeter_events import UsageEvent
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.ingest.dedup import (
    _STORED,
    BEGINNING,
    SeenIds,
    StoredAt,
    drop_duplicates,
    lookup_coordinates,
    rebuild_filter,
)
from tests.support.blocks import ELSEWHERE, HERE, block_of, empty, insert_block
from tests.support.records import event

_NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
async def session(any_store: Store) -> AsyncIterator[Session]:
    with any_store.session("test") as session:
        await empty(session)
        yield session


def _at(number: int, moment: datetime) -> UsageEvent:
    """Return an event with an id as from an SDK: version 7, of its own time."""
    milliseconds = int(moment.timestamp() * 1000)
    event_id = UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | number)
    stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event(1, event_id=str(event_id), occurred_at=stamp)


def _new(seen: SeenIds, events: Sequence[UsageEvent]) -> list[bool]:
    possible_duplicates = set(seen.possible_duplicates(Events.of(events)))
    return [row not in possible_duplicates for row in range(len(events))]


def _keys(events: Sequence[UsageEvent]) -> set[bytes]:
    return {event.key for event in events}


async def test_an_event_is_found_where_it_is_stored(session: Session) -> None:
    stored = [event(number) for number in range(1, 6)]
    await insert_block(session, block_of(stored[:3], first_offset=100), "a")
    await insert_block(session, block_of(stored[3:], first_offset=7, coordinates=ELSEWHERE), "b")
    assert await lookup_coordinates(session, Events.of([*stored, event(6)])) == {
        stored[0].key: StoredAt("life-1", 0, 100),
        stored[1].key: StoredAt("life-1", 0, 101),
        stored[2].key: StoredAt("life-1", 0, 102),
        stored[3].key: StoredAt("life-1", 1, 7),
        stored[4].key: StoredAt("life-1", 1, 8),
    }
    assert await lookup_coordinates(session, Events.of([])) == {}


async def test_hours_far_apart_are_searched_each_for_its_own(session: Session) -> None:
    moments = [_NOON - timedelta(days=days, milliseconds=1) for days in (0, 1, 40, 400, 2000)]
    events = [_at(number, moment) for number, moment in enumerate(moments)]
    await insert_block(session, block_of(events), "c")
    assert set(await lookup_coordinates(session, Events.of(events))) == _keys(events)


@pytest.mark.parametrize("minutes", [-60, -1, 0, 1, 60])
async def test_a_retry_with_a_new_timestamp_is_the_same_event(session: Session, minutes: int) -> None:
    first = _at(1, _NOON + timedelta(minutes=30))
    await insert_block(session, block_of([first]), "d")
    again = first.model_copy(update={"occurred_at": first.occurred_at + timedelta(minutes=minutes)})
    assert set(await lookup_coordinates(session, Events.of([again]))) == {first.key}


async def test_ids_of_any_version_are_found(session: Session) -> None:
    rng = random.Random(7)
    events = [event(1, event_id=str(UUID(int=rng.getrandbits(128)))) for _ in range(50)]
    await insert_block(session, block_of(events), "e")
    assert set(await lookup_coordinates(session, Events.of(events))) == _keys(events)


async def test_a_whole_chunk_can_be_looked_up(session: Session) -> None:
    # More ids than ClickHouse accepts in one HTTP parameter.
    events = [_at(number, _NOON + timedelta(milliseconds=number)) for number in range(10_000)]
    await insert_block(session, block_of(events[::2]), "f")
    assert set(await lookup_coordinates(session, Events.of(events))) == _keys(events[::2])


async def test_an_adjustment_is_not_an_event(session: Session) -> None:
    block = block_of([event(1)])
    await insert_block(session, block, "g")
    adjustment = (event(2).event_id, "adjustment", event(2).occurred_at)
    await session.insert("usage_events", [adjustment], ["event_id", "kind", "occurred_at"])
    assert set(await lookup_coordinates(session, Events.of([event(1), event(2)]))) == {event(1).key}
    assert _new(await rebuild_filter(session, partition=0, width=1, capacity=10), [event(2)]) == [True]


async def test_a_look_up_reads_few_granules(session: Session) -> None:
    hours = [_NOON - timedelta(hours=number) for number in range(40)]
    await session.command(
        "INSERT INTO usage_events (event_id, occurred_at)"
        " SELECT generateUUIDv4(), toDateTime64('2026-11-02 12:00:00', 3, 'UTC') - number % 144000 FROM numbers(400000)"
    )
    await session.command("OPTIMIZE TABLE usage_events FINAL")
    wanted = [_at(number, hour) for number, hour in enumerate(hours[::20])]
    read = await _granules(session, wanted)
    assert read["read"] <= 3 * len(wanted) + 2 < read["all"] / 3, read


async def _granules(session: Session, events: list[UsageEvent]) -> dict[str, int]:
    parameters = {
        "ids": [event.event_id for event in events],
        "hours": [int(event.occurred_at.timestamp()) // 3600 * 3600 for event in events],
    }
    plan = (await session.query(f"EXPLAIN indexes = 1 {_STORED}", parameters)).result_rows
    granules = [line.strip() for (line,) in plan if line.strip().startswith("Granules:")]
    read, everything = granules[-1].removeprefix("Granules: ").split("/")
    return {"read": int(read), "all": int(everything)}


async def test_memory_is_what_the_partition_stored(session: Session) -> None:
    mine, theirs = [event(number) for number in (1, 2, 3)], [event(number) for number in (4, 5, 6)]
    await insert_block(session, block_of(mine), "h")
    await insert_block(session, block_of(theirs, coordinates=ELSEWHERE), "i")
    # Width 1: every id would land in partition 0 today.
    seen = await rebuild_filter(session, partition=0, width=1, capacity=100)
    assert seen.since == BEGINNING
    assert _new(seen, [*mine, *theirs, event(7)]) == [False] * 6 + [True]


async def test_an_empty_store_has_no_answer(session: Session) -> None:
    seen = await rebuild_filter(session, partition=0, width=1, capacity=100)
    assert seen.since == BEGINNING
    assert _new(seen, [_at(1, datetime(1971, 1, 1, tzinfo=UTC))]) == [True]


@pytest.mark.parametrize("width", [1, 3, 7, 12])
async def test_ids_are_spread_as_kafka_spreads_them(session: Session, width: int) -> None:
    # After partitions were added, a retry of an old event may be in another partition than its first copy.
    rng = random.Random(width)
    events = [event(1, event_id=str(UUID(int=rng.getrandbits(128)))) for _ in range(60)]
    await insert_block(session, block_of(events, coordinates=ELSEWHERE), f"j-{width}")
    partitions = list(range(width))
    of = {event.event_id: DefaultPartitioner()(event.event_id.bytes, partitions, partitions) for event in events}
    for partition in partitions:
        seen = await rebuild_filter(session, partition=partition, width=width, capacity=100)
        for new, home in zip(_new(seen, events), of.values(), strict=True):
            assert new != (home == partition or partition == ELSEWHERE.partition)


async def test_memory_that_is_full_answers_for_what_follows_its_oldest(session: Session) -> None:
    events = [_at(number, _NOON + timedelta(seconds=number)) for number in range(20)]
    await insert_block(session, block_of(events), "k")
    seen = await rebuild_filter(session, partition=0, width=1, capacity=8)
    assert seen.since == events[12].occurred_at.timestamp() * 1000 + 1
    # A copy may be stamped an hour apart: within an hour after the filter's start an event is looked up.
    assert _new(seen, [_at(99, events[19].occurred_at)]) == [False]
    assert _new(seen, [_at(99, events[19].occurred_at + timedelta(hours=1))]) == [True]
    assert not any(_new(seen, events))


async def test_the_filter_continues_after_it_was_filled(session: Session) -> None:
    events = [_at(number, _NOON + timedelta(seconds=number)) for number in range(8)]
    await insert_block(session, block_of(events), "l")
    seen = await rebuild_filter(session, partition=0, width=1, capacity=8)
    later = [_at(number, _NOON + timedelta(seconds=number)) for number in range(8, 20)]
    seen.add(Events.of(later))
    assert not any(_new(seen, [*events, *later]))
    assert seen.since == events[7].occurred_at.timestamp() * 1000 + 1


async def test_a_replay_keeps_its_own_and_a_retry_is_dropped(session: Session) -> None:
    own, retry, new = event(1), event(2), event(3)
    await insert_block(session, block_of([own], first_offset=0), "m")
    await insert_block(session, block_of([retry], first_offset=9, coordinates=ELSEWHERE), "n")
    chunk = Events.of([own, retry, new, new])
    stored = await lookup_coordinates(session, chunk)
    assert drop_duplicates(chunk, stored, ours=HERE).offsets == [0, 2]
    assert drop_duplicates(chunk, stored, ours=None).offsets == [2]
