"""A rebuild during an insert that is paused at any point of the protocol: nothing is lost or counted twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.barrier.requests import read_barriers
from tests.support.chunks import FrozenOwner, Scene

POINTS = ["before:intent", "before:fence", "before:barrier", "before:insert", "after:insert"]
"""Before its intent, a chunk leaves no trace in the store, so the earlier steps count as one point."""


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


async def asked(session: Session, work: asyncio.Task[object]) -> None:
    """Wait until the rebuild waits for this insert, or is done."""
    for _ in range(1000):
        if work.done() or (await read_barriers(session)).active:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the rebuild never asked")


@pytest.mark.parametrize("point", POINTS)
async def test_it_waits_for_a_chunk_or_the_chunk_waits_for_it(scene: Scene, point: str) -> None:
    frozen = FrozenOwner(scene.store, scene.group, scene.log, point)
    frozen.start(20)
    work = scene.rebuild()
    await asked(scene.session, work)
    frozen.thaw()
    await asyncio.wait_for(work, 60)
    await frozen.wait()
    await scene.check(requests=20)


@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_that_was_frozen_through_it_adds_nothing(scene: Scene, point: str) -> None:
    frozen = FrozenOwner(scene.store, scene.group, scene.log, point)
    frozen.start(20)
    owner = await scene.next_owner()
    if owner.position < 20:
        await owner.take(20)
    await owner.close()
    await asyncio.wait_for(scene.rebuild(), 60)
    frozen.thaw()
    await frozen.wait()
    await owner.take(30)
    await owner.close()
    await scene.check(requests=30)


@pytest.mark.parametrize("point", POINTS)
async def test_the_next_owner_of_a_dead_worker_and_a_rebuild_agree(scene: Scene, point: str) -> None:
    dead = FrozenOwner(scene.store, scene.group, scene.log, point)
    dead.start(20)
    work = scene.rebuild()
    await asked(scene.session, work)
    owner = await asyncio.wait_for(scene.next_owner(), 60)
    while owner.position < 30:
        await owner.take(owner.position + 10)
    await owner.close()
    await asyncio.wait_for(work, 60)
    await scene.check(requests=30)
    dead.thaw()
    await dead.wait()
    await scene.check(requests=30)
