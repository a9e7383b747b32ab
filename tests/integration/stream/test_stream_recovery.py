"""A recovery completes the rows that were inserted and no others, even if records, clock or token changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self, cast

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_events import UsageEvent
from spendmeter_stream.dlq.dead_letters import DeadLetters
from spendmeter_stream.errors import PartitionLostError
from spendmeter_stream.ingest import protocol
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.intents import OffsetRange, write_intent
from spendmeter_stream.journal.suspects import open_suspects
from spendmeter_stream.recovery.completion import token_is_certain
from spendmeter_stream.recovery.reconcile import reconcile
from tests.support.blocks import ROLLUPS, block_of, empty, insert_block
from tests.support.chunks import FrozenOwner, Owner, Scene, value
from tests.support.protocols import protocol_without
from tests.support.records import FakeRecord, event, record


@pytest.fixture
async def session(store: Store) -> AsyncIterator[Session]:
    with store.session("test", size=2) as session:
        await empty(session)
        for table in ("ingest_suspect_blocks", "ingest_open_suspects", "ingest_orphan_checkpoints"):
            await session.command(f"TRUNCATE TABLE {table}")
        yield session


@pytest.fixture
def cpu() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.fixture
def scene(store: Store, session: Session, cpu: ThreadPoolExecutor) -> Scene:
    return Scene(store, session, cpu)


async def new_owner(scene: Scene, **guarantees: bool) -> Owner:
    """Yield the next owner, before it searches for an open chunk, without the guarantees that are False."""
    scene.group.generation += 1
    protocol = protocol_without(*(name for name, given in guarantees.items() if not given))
    owner = Owner(scene.session, scene.group, scene.log, cpu=scene.cpu, protocol=protocol)
    await owner.join()
    return owner


async def forget_tokens(session: Session) -> None:
    """Remove the tables' deduplication tokens, as 10,000 blocks of other partitions do."""
    for table in ("usage_events", *ROLLUPS):
        for window in (0, 10):
            await session.command(f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = {window}")


async def reconciled(scene: Scene) -> None:
    await reconcile(scene.session, await open_suspects(scene.session), scene.group.stream())


@pytest.mark.parametrize("safe", [True, False], ids=["looked at", "token trusted"])
async def test_a_chunk_whose_token_is_forgotten(scene: Scene, safe: bool) -> None:
    """A quiet partition's only chunk, after the group was moved back to the earliest offset."""
    await scene.begin()
    for other in range(6):
        where = Coordinates(f"{scene.group.topic_id}-other", other)
        await write_intent(scene.session, where, OffsetRange(0, 1), generation=1)
    await forget_tokens(scene.session)
    scene.group.committed[0] = 0
    owner = await new_owner(scene, token_age=safe)
    await owner.recover()
    await owner.close()
    stored = await value(scene.session, "SELECT count() FROM usage_events WHERE org_id = {org:String}", org=scene.org)
    assert stored == (10 if safe else 20)
    if safe:
        await reconciled(scene)
        await scene.check(requests=10)


@pytest.mark.parametrize("left", [0, 4])
async def test_rows_that_a_forgotten_token_had_not_stored_are_added_once(scene: Scene, left: int) -> None:
    await scene.begin()
    await scene.session.command(
        "ALTER TABLE usage_events DELETE WHERE org_id = {org:String} AND topic_offset >= {left:UInt64}"
        " SETTINGS mutations_sync = 2",
        {"org": scene.org, "left": left},
    )
    for other in range(6):
        where = Coordinates(f"{scene.group.topic_id}-other", other)
        await write_intent(scene.session, where, OffsetRange(0, 1), generation=1)
    await forget_tokens(scene.session)
    scene.group.committed[0] = 0
    owner = await new_owner(scene)
    await owner.recover()
    await owner.close()
    await reconciled(scene)
    await scene.check(requests=10)


@pytest.mark.parametrize("rollups_had_it", [False, True], ids=["in raw only", "in a rollup only"])
@pytest.mark.parametrize("kept", [0, 6], ids=["all expired", "some expired"])
async def test_a_chunk_whose_records_expired(scene: Scene, kept: int, rollups_had_it: bool) -> None:
    """Retention deletes the records between the owner's death and the recovery."""
    await scene.begin()
    owner = await scene.next_owner()
    await owner.take(20)
    gone = "usage_events" if rollups_had_it else "usage_hourly"
    where = f"org_id = '{scene.org}'" + (" AND topic_offset >= 10" if rollups_had_it else "")
    await scene.session.command(f"ALTER TABLE {gone} DELETE WHERE {where} SETTINGS mutations_sync = 2")
    owner = await new_owner(scene)
    await owner.recover(first=20 - kept)
    await owner.close()
    assert scene.group.committed[0] == 20
    await reconciled(scene)
    await scene.check(requests=10 + kept if rollups_had_it else 20)


@pytest.mark.parametrize("safe", [True, False], ids=["reconciled", "closed at once"])
async def test_a_chunk_without_records_is_not_simply_closed(scene: Scene, safe: bool) -> None:
    await scene.begin()
    owner = await scene.next_owner()
    await owner.take(20)
    where = f"org_id = '{scene.org}'"
    await scene.session.command(f"ALTER TABLE usage_hourly DELETE WHERE {where} SETTINGS mutations_sync = 2")
    owner = await new_owner(scene, expired=safe)
    await owner.recover(first=20)
    assert scene.group.committed[0] == (10 if safe else 20)
    await owner.close()
    assert bool(await open_suspects(scene.session)) == safe


@pytest.mark.parametrize("safe", [True, False], ids=["first decision", "own clock"])
async def test_a_record_too_far_ahead_stays_a_dead_letter(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, safe: bool
) -> None:
    await scene.begin()
    soon = (datetime.now(UTC) + timedelta(minutes=10)).isoformat(timespec="milliseconds")
    scene.log[15] = record(77, offset=15, org_id=scene.org, occurred_at=soon)
    # The first owner decides two hours earlier, when the event is more than the permitted hour ahead.
    with monkeypatch.context() as earlier:
        earlier.setattr(protocol, "datetime", _TwoHoursAgo)
        first = await scene.next_owner()
        _with_letters(first)
        await first.take(20)
    second = await new_owner(scene, decision=safe)
    _with_letters(second)
    await second.recover()
    await second.close()
    stored = await value(scene.session, "SELECT count() FROM usage_events WHERE org_id = {org:String}", org=scene.org)
    assert stored == (19 if safe else 20)


async def test_a_removed_surplus_copy_is_not_reinserted(scene: Scene) -> None:
    await scene.begin()
    owner = await scene.next_owner()
    await owner.take(20)
    elsewhere = Coordinates(f"{scene.group.topic_id}-elsewhere", 7)
    fields = json.loads(scene.log[15].value or b"")
    kept = block_of([UsageEvent.model_validate_json(json.dumps(fields))], coordinates=elsewhere)
    await insert_block(scene.session, kept, elsewhere.topic_id)
    where = f"org_id = '{scene.org}' AND topic_offset = 15"
    await scene.session.command(f"ALTER TABLE usage_events DELETE WHERE {where} SETTINGS mutations_sync = 2")
    owner = await new_owner(scene)
    await owner.recover()
    await owner.close()
    stored = await value(scene.session, "SELECT count() FROM usage_events WHERE org_id = {org:String}", org=scene.org)
    assert stored == 20


async def test_a_record_without_key_meets_its_copy_in_another_partition(scene: Scene) -> None:
    """The filter has only the ids of this partition."""
    elsewhere = Coordinates(f"{scene.group.topic_id}-elsewhere", 7)
    await insert_block(
        scene.session, block_of([event(9000, org_id=scene.org)], coordinates=elsewhere), elsewhere.topic_id
    )
    scene.log[0] = replace(record(9000, offset=0, org_id=scene.org), key=None)
    scene.log[1] = replace(record(9001, offset=1, org_id=scene.org), key=None)
    owner = await scene.next_owner()
    outcome = await owner.take(10)
    assert (outcome.stored, outcome.duplicates) == (9, 1)


class _TwoHoursAgo(datetime):
    """A clock that is two hours behind."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(hours=2)


def _with_letters(owner: Owner) -> None:
    owner.protocol.dead_letters = cast(DeadLetters, _Letters())
    owner.protocol.max_future = timedelta(hours=1)


class _Letters:
    """Accept dead letters."""

    async def send(self, letters: list[Any]) -> None:
        assert len(letters) == 1


@pytest.mark.parametrize("safe", [True, False], ids=["fenced again", "fenced once"])
async def test_a_zombie_that_slept_longer_than_tokens_last(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, safe: bool
) -> None:
    monkeypatch.setattr(protocol, "FENCE_SECONDS", 0.0 if safe else 3600.0)
    await scene.begin()
    zombie = FrozenOwner(scene.store, scene.group, scene.log, "before:insert")
    await asyncio.to_thread(zombie.start, 20)
    owner = await scene.next_owner()
    await owner.close()
    await forget_tokens(scene.session)
    zombie.thaw()
    await zombie.wait()
    assert isinstance(zombie.error, PartitionLostError) or not safe
    stored = await value(scene.session, "SELECT count() FROM usage_events WHERE org_id = {org:String}", org=scene.org)
    assert stored == (20 if safe else 30)


async def test_a_token_is_certain_until_half_the_window_went_by(session: Session) -> None:
    for table in ("usage_events", *ROLLUPS):
        await session.command(f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = 20")
    now = await value(session, "SELECT now64(3, 'UTC')")
    for other in range(10):
        where = Coordinates("busy", other)
        await write_intent(session, where, OffsetRange(0, 1), generation=1)
        assert await token_is_certain(session, now) == (other < 10)
    await write_intent(session, Coordinates("busy", 0), OffsetRange(1, 2), generation=1)
    assert not await token_is_certain(session, now)
    assert not await token_is_certain(session, now - timedelta(hours=1))
    assert not await token_is_certain(session, now + timedelta(hours=1))


async def test_rows_that_landed_are_found_on_every_day_of_the_chunk(session: Session, cpu: ThreadPoolExecutor) -> None:
    """The remaining records are of another day than those that were inserted and expired."""
    days = ("2026-11-01T12:00:00.000Z", "2026-11-05T12:00:00.000Z")
    log: list[FakeRecord] = [record(n, offset=n, org_id="days", occurred_at=days[n // 5]) for n in range(10)]
    scene = Scene(cast(Store, None), session, cpu)
    scene.log = log
    where = Coordinates(scene.group.topic_id, 0)
    landed = block_of([event(n, org_id="days", occurred_at=days[0]) for n in range(5)], coordinates=where)
    await write_intent(
        session, where, OffsetRange(0, 10), generation=1, days=[datetime.fromisoformat(d).date() for d in days]
    )
    await insert_block(session, landed, f"{scene.group.topic_id}:0:0-10")
    owner = await new_owner(scene)
    await owner.recover(first=5)
    await owner.close()
    assert await value(session, "SELECT count() FROM usage_events WHERE org_id = 'days'") == 10
    await reconciled(scene)
