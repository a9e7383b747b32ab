"""The ingest barrier: waiting, expiry, and the months that a rebuild rejects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.barrier.barrier import ingest_barrier
from spendmeter_stream.barrier.requests import read_barriers, read_paused_chunks
from spendmeter_stream.barrier.waiter import BarrierWaiter
from spendmeter_stream.errors import BarrierError, PartitionLostError, RebuildError
from spendmeter_stream.maintenance.rebuild import rebuild
from spendmeter_stream.maintenance.shadow_tables import Shadow
from spendmeter_stream.verify.compare import Days, compare, days_with_rows
from tests.support.chunks import NOVEMBER, FrozenOwner, Owner, Scene, value


@pytest.fixture
async def session(store: Store) -> AsyncIterator[Session]:
    with store.session("test", size=2) as session:
        yield session


@pytest.fixture(scope="module")
def cpu() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
async def scene(store: Store, session: Session, cpu: ThreadPoolExecutor) -> Scene:
    scene = Scene(store, session, cpu)
    await scene.begin()
    return scene


async def paused_generations(scene: Scene) -> set[int]:
    generations: set[int] = set()
    for barrier in (await read_barriers(scene.session)).active:
        paused = await read_paused_chunks(scene.session, barrier, scene.group.topic_id)
        generations |= {one.generation for one in paused}
    return generations


async def until_paused(scene: Scene, generation: int) -> None:
    for _ in range(1000):
        if generation in await paused_generations(scene):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no chunk was paused")


async def stored(scene: Scene) -> int:
    return int(
        await value(scene.session, "SELECT count() FROM usage_events WHERE org_id = {org:String}", org=scene.org)
    )


async def test_a_chunk_waits_until_the_barrier_is_released(scene: Scene) -> None:
    owner = await scene.next_owner()
    async with ingest_barrier(scene.session, scene.group.stream(), reason="test", seconds=60):
        chunk = asyncio.create_task(owner.take(20))
        await until_paused(scene, 2)
        assert not chunk.done()
        assert await stored(scene) == 10
    assert (await asyncio.wait_for(chunk, 30)).stored == 10
    await scene.check(requests=20)


async def test_a_barrier_is_granted_while_a_chunk_waits_for_another(scene: Scene) -> None:
    owner = await scene.next_owner()

    async def take_and_close() -> None:
        # A chunk may pass between the two barriers; the second one then waits until it is closed.
        await owner.take(20)
        await owner.close()

    async with ingest_barrier(scene.session, scene.group.stream(), reason="first", seconds=60):
        chunk = asyncio.create_task(take_and_close())
        await until_paused(scene, 2)
    async with ingest_barrier(scene.session, scene.group.stream(), reason="second", seconds=60):
        assert (await stored(scene)) == (20 if chunk.done() else 10)
    await asyncio.wait_for(chunk, 30)
    await scene.check(requests=20)


async def test_the_next_owner_of_a_paused_chunk_waits_too(scene: Scene) -> None:
    """Its predecessor inserted nothing, and the barrier was granted on that basis."""
    owner = await scene.next_owner()
    async with ingest_barrier(scene.session, scene.group.stream(), reason="test", seconds=60) as barrier:
        chunk = asyncio.create_task(owner.take(20))
        await until_paused(scene, 2)
        chunk.cancel()
        takeover = asyncio.create_task(scene.next_owner())
        await until_paused(scene, 3)
        assert not takeover.done()
        assert await stored(scene) == 10
        await barrier.ensure_active()
    assert (await asyncio.wait_for(takeover, 30)).position == 20
    await scene.check(requests=20)


async def test_an_owner_that_lost_its_partition_at_the_barrier_inserts_nothing(scene: Scene) -> None:
    owner = await scene.next_owner()
    async with ingest_barrier(scene.session, scene.group.stream(), reason="test", seconds=60):
        chunk = asyncio.create_task(owner.take(20))
        await until_paused(scene, 2)
        scene.group.generation += 1
    with pytest.raises(PartitionLostError):
        await asyncio.wait_for(chunk, 30)
    assert await stored(scene) == 10


async def test_a_chunk_without_an_owner_is_reported(scene: Scene) -> None:
    frozen = FrozenOwner(scene.store, scene.group, scene.log, "before:insert")
    frozen.start(20)
    with pytest.raises(BarrierError, match=r"partition 0 \[10, 20\)"):
        await rebuild(scene.session, NOVEMBER, stream=scene.group.stream(), barrier_seconds=2)
    frozen.thaw()
    await frozen.wait()
    await scene.check(requests=20)


async def test_only_one_command_has_the_ingest_barrier(scene: Scene) -> None:
    async with ingest_barrier(scene.session, scene.group.stream(), reason="one", seconds=60):
        with pytest.raises(BarrierError, match="another command"):
            await rebuild(scene.session, NOVEMBER, stream=scene.group.stream())
    await rebuild(scene.session, NOVEMBER, stream=scene.group.stream())


async def test_a_barrier_that_expires_lets_ingest_continue_and_disarms_its_command(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild that was frozen past its deadline resumes after workers continued: it must not replace a table."""
    owner = await scene.next_owner()
    check = Shadow.check

    async def slow(self: Shadow, session: Session, month: int) -> None:
        await check(self, session, month)
        if self.rollup == "latency_daily":
            await asyncio.wait_for(owner.take(20), 30)

    monkeypatch.setattr(Shadow, "check", slow)
    with pytest.raises(BarrierError, match="expired before"):
        await rebuild(scene.session, NOVEMBER, stream=scene.group.stream(), barrier_seconds=3)
    await owner.close()
    await scene.check(requests=20)


async def test_an_insert_that_ignores_the_barrier_is_lost_to_the_rollups(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the barrier, rows are lost, and `verify` names them."""

    async def open_gate(self: BarrierWaiter, start: int, *, recovery: bool) -> None:
        return None

    monkeypatch.setattr(BarrierWaiter, "pass_through", open_gate)
    owner = await scene.next_owner()
    await _insert_before_swap(monkeypatch, lambda: owner.take(20))
    # The check that no day shrinks would reject the swap; only the barrier is tested here.
    await rebuild(scene.session, NOVEMBER, stream=scene.group.stream(), shrink=True)
    await owner.close()
    (day,) = await compare(scene.session, await days_with_rows(scene.session, Days()))
    assert {(it.org, it.table) for it in day.differences if it.measure == "requests"} == {
        (scene.org, table) for table in ("usage_15m", "usage_hourly", "usage_daily", "user_daily")
    }
    monkeypatch.undo()
    await rebuild(scene.session, NOVEMBER, stream=scene.group.stream())
    await scene.check(requests=20)


async def test_a_month_that_does_not_add_up_is_left_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    fill = Shadow.fill

    async def twice(self: Shadow, *arguments: Any) -> None:
        await fill(self, *arguments)
        await fill(self, *arguments)

    monkeypatch.setattr(Shadow, "fill", twice)
    with pytest.raises(RebuildError, match="gathered"):
        await rebuild(scene.session, NOVEMBER, stream=scene.group.stream())
    await scene.check(requests=10)


async def test_a_month_without_raw_events_keeps_its_rollups(scene: Scene) -> None:
    with pytest.raises(RebuildError, match="no raw events of 2026-02"):
        await rebuild(scene.session, date(2026, 2, 1), stream=None)


async def test_nothing_is_left_behind(scene: Scene) -> None:
    await rebuild(scene.session, NOVEMBER, stream=scene.group.stream())
    left = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_rebuild_%'"
    assert await value(scene.session, left) == 0
    assert not (await read_barriers(scene.session)).active


async def test_a_chunk_sent_again_after_a_rebuild_is_still_skipped(scene: Scene) -> None:
    """The new table has the tokens of rows that were inserted through the shadow table."""
    owner = await scene.next_owner()
    await owner.take(20)
    again: Owner = await _after(rebuild(scene.session, NOVEMBER, stream=None), scene.next_owner)
    assert again.position == 20
    await again.close()
    await scene.check(requests=20)


async def _after(work: Any, then: Callable[[], Any]) -> Any:
    await work
    return await then()


async def _insert_before_swap(monkeypatch: pytest.MonkeyPatch, insert: Callable[[], Any]) -> None:
    check = Shadow.check

    async def then_insert(self: Shadow, session: Session, month: int) -> None:
        await check(self, session, month)
        if self.rollup == "latency_daily":
            await insert()

    monkeypatch.setattr(Shadow, "check", then_insert)
