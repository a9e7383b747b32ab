"""One consumer group fills a store; a second one is rejected until the store is handed over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.barrier.barrier import ingest_barrier
from spendmeter_stream.errors import BarrierError, SetupError
from spendmeter_stream.journal.group_owner import adopt_group, ensure_group, owning_group
from spendmeter_stream.worker import create_worker
from tests.support.chunks import Group
from tests.support.kafka.tansu import Tansu
from tests.support.worker import stream_settings, working


@pytest.fixture
async def session(any_store: Store) -> AsyncIterator[Session]:
    with any_store.session("test", size=8) as session:
        await session.command("TRUNCATE TABLE ingest_groups")
        await session.command("ALTER TABLE ingest_groups MODIFY SETTING non_replicated_deduplication_window = 0")
        await session.command("ALTER TABLE ingest_groups MODIFY SETTING non_replicated_deduplication_window = 1000")
        yield session


async def test_the_first_group_has_the_store(session: Session) -> None:
    await ensure_group(session, "a")
    await ensure_group(session, "a")
    assert await owning_group(session) == "a"
    with pytest.raises(SetupError, match=r"filled by consumer group 'a'.*set SPENDMETER_GROUP=a, or .* --adopt-group"):
        await ensure_group(session, "b")


async def test_of_first_workers_that_start_at_once_one_group_has_it(session: Session) -> None:
    groups = [f"group-{number % 4}" for number in range(16)]
    answers = await asyncio.gather(*(ensure_group(session, group) for group in groups), return_exceptions=True)
    owner = await owning_group(session)
    # Every worker of the owner is accepted, and no other.
    assert [answer is None for answer in answers] == [group == owner for group in groups]


async def test_a_handover_is_deliberate_and_goes_both_ways(session: Session) -> None:
    await ensure_group(session, "a")
    assert await adopt_group(session, "b") == "a"
    await ensure_group(session, "b")
    with pytest.raises(SetupError):
        await ensure_group(session, "a")
    assert await adopt_group(session, "a") == "b"
    await ensure_group(session, "a")


async def test_a_token_without_its_row_does_not_lock_everyone_out(session: Session) -> None:
    # As in a store that is killed between the two.
    await ensure_group(session, "a")
    await session.command("TRUNCATE TABLE ingest_groups")
    await ensure_group(session, "b")
    assert await owning_group(session) == "b"


async def test_a_command_of_another_group_gets_no_ingest_barrier(session: Session) -> None:
    # With its offsets, an open chunk of the owner could look closed.
    await ensure_group(session, "owner")
    other = replace(Group().stream(), group="other")
    with pytest.raises(BarrierError, match="set SPENDMETER_GROUP=owner"):
        async with ingest_barrier(session, other, reason="test", seconds=10):
            raise AssertionError("the partition is still assigned")
    async with ingest_barrier(session, replace(other, group="owner"), reason="test", seconds=10):
        pass


async def test_a_worker_of_a_second_group_does_not_start(store: Store, tansu: Tansu) -> None:
    settings = stream_settings(tansu.connection, group="owner")
    async with working(settings, store):
        second = create_worker(settings=settings.model_copy(update={"group": "second"}), store=store, web=False)
        with pytest.raises(SetupError, match="consumer group 'owner'"):
            await second.ingest.on_start()
