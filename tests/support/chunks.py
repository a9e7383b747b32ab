"""Run chunks through the real protocol and a real store, with a consumer group that the test controls."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, cast

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.directory import Directory
from spendmeter_stream.dlq.dead_letters import DeadLetters
from spendmeter_stream.errors import PartitionLostError
from spendmeter_stream.ingest.builder import BlockBuilder
from spendmeter_stream.ingest.dedup import rebuild_filter
from spendmeter_stream.ingest.protocol import Chunk, ChunkProtocol, Outcome
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.intents import OffsetRange
from spendmeter_stream.journal.orphans import chunk_to_recover
from spendmeter_stream.kafka.fence import Fence
from spendmeter_stream.kafka.group_position import Stream
from spendmeter_stream.kafka.topic_epoch import TopicEpoch
from spendmeter_stream.maintenance.rebuild import Rebuilt, rebuild
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.verify.compare import Days, compare, days_with_rows
from tests.support.protocols import protocol_without
from tests.support.records import FakeRecord, record

BOOK = PriceBook.load()
NOVEMBER = date(2026, 11, 1)
_scenes = itertools.count(1)


@dataclass
class Group:
    """State of a group coordinator: its generation, and the committed offset of each partition."""

    topic_id: str = "life-1"
    generation: int = 1
    committed: dict[int, int] = field(default_factory=dict)

    def stream(self) -> Stream:
        """The group as commands see it."""

        async def committed() -> dict[int, int]:
            return dict(self.committed)

        async def partitions() -> Collection[int]:
            return self.committed

        return Stream(topic_id=self.topic_id, committed=committed, partitions=partitions)


class GroupFence:
    """A `Fence` that commits to a `Group` instead of a broker."""

    def __init__(self, group: Group, partition: int) -> None:
        self._group = group
        self._partition = partition
        self.generation = group.generation

    async def commit(self, offset: int) -> None:
        if self.generation != self._group.generation:
            raise PartitionLostError("the group has moved on")
        self._group.committed[self._partition] = offset


class LastingEpoch:
    """The epoch of a topic that is not recreated."""

    async def verify(self) -> None:
        pass


class Owner:
    """A worker that owns one partition. `log` contains all produced records, by offset."""

    def __init__(
        self,
        session: Session,
        group: Group,
        log: Sequence[FakeRecord],
        *,
        partition: int = 0,
        cpu: Executor,
        protocol: type[ChunkProtocol] = ChunkProtocol,
    ) -> None:
        self._session = session
        self._group = group
        self._log = log
        self._partition = partition
        self._cpu = cpu
        self._protocol = protocol
        self.position = 0

    async def assigned(self) -> None:
        """Take over the partition: recover an open chunk first, as `PartitionTask` does."""
        await self.join()
        await self.recover()

    async def join(self) -> None:
        """Take over the partition at its committed offset."""
        self.coordinates = Coordinates(self._group.topic_id, self._partition)
        self.protocol = self._protocol(
            fence=cast(Fence, GroupFence(self._group, self._partition)),
            coordinates=self.coordinates,
            seen=await rebuild_filter(self._session, partition=self._partition, width=1, capacity=10_000),
            store=self._session,
            dead_letters=cast(DeadLetters, None),
            cpu=self._cpu,
            builder=BlockBuilder(book=lambda: BOOK, directory=Directory(session=self._session)),
            max_future=timedelta(days=3650),
            epoch=cast(TopicEpoch, LastingEpoch()),
        )
        self.position = self._group.committed.get(self._partition, 0)

    async def recover(self, *, first: int = 0) -> None:
        """Recover the chunk that a previous owner left open; offsets below `first` have expired."""
        intent = await chunk_to_recover(self._session, self.coordinates, committed=self.position)
        if intent is None:
            return
        records = self._log[max(first, intent.offsets.start) : intent.offsets.end]
        expired = first > intent.offsets.start
        await self.protocol.run(Chunk(records, intent.offsets, recovers=intent, expired=expired))
        self.position = intent.offsets.end

    async def take(self, end: int) -> Outcome:
        """Process the chunk from the current position to `end`."""
        records = self._log[self.position : end]
        outcome = await self.protocol.run(Chunk(records, OffsetRange(self.position, end)))
        self.position = end
        return outcome

    async def close(self) -> None:
        """Commit the end of the last chunk."""
        await self.protocol.fence.commit(self.position)


@dataclass
class FrozenOwner:
    """An owner in its own thread that blocks at a point of the protocol until it is released."""

    store: Store
    group: Group
    log: Sequence[FakeRecord]
    point: str
    error: BaseException | None = None

    def start(self, end: int) -> None:
        """Process a chunk; return when it blocks at the point."""
        self._there = threading.Event()
        self._go = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(end,), daemon=True)
        self._thread.start()
        assert self._there.wait(30), f"never came to {self.point}"

    def thaw(self) -> None:
        self._go.set()

    def over(self) -> bool:
        return not self._thread.is_alive()

    async def wait(self) -> None:
        """Return when its chunk is finished or rejected."""
        await asyncio.to_thread(self._thread.join, 60)
        assert self.over(), "still running"

    def _run(self, end: int) -> None:
        try:
            asyncio.run(self._take(end))
        except PartitionLostError as error:
            self.error = error

    async def _take(self, end: int) -> None:
        async with AsyncExitStack() as stack:
            session = stack.enter_context(self.store.session("frozen"))
            cpu = stack.enter_context(ThreadPoolExecutor(1))
            owner = Owner(session, self.group, self.log, cpu=cpu, protocol=protocol_without(reached=self._reached))
            await owner.assigned()
            await owner.take(end)
            await owner.close()

    def _reached(self, point: str) -> None:
        if point == self.point:
            self._there.set()
            assert self._go.wait(60), "never thawed"


class Scene:
    """One partition of a new topic: a stored and closed first chunk, and a second one to be processed."""

    def __init__(self, store: Store, session: Session, cpu: ThreadPoolExecutor) -> None:
        self.store = store
        self.session = session
        self.cpu = cpu
        number = next(_scenes)
        self.org = f"org-{number}"
        self.group = Group(topic_id=f"life-{number}")
        self.log: list[FakeRecord] = [
            record(1000 * number + offset, offset=offset, org_id=self.org, latency_ms=offset) for offset in range(30)
        ]

    async def begin(self) -> None:
        first = Owner(self.session, self.group, self.log, cpu=self.cpu)
        await first.assigned()
        await first.take(10)
        await first.close()

    async def next_owner(self) -> Owner:
        self.group.generation += 1
        owner = Owner(self.session, self.group, self.log, cpu=self.cpu)
        await owner.assigned()
        return owner

    def rebuild(self) -> asyncio.Task[Rebuilt]:
        return asyncio.create_task(rebuild(self.session, NOVEMBER, stream=self.group.stream(), barrier_seconds=60))

    async def check(self, *, requests: int) -> None:
        """Assert that raw events contain each event once, and that every rollup equals raw events."""
        stored = await value(self.session, "SELECT count() FROM usage_events WHERE org_id = {org:String}", org=self.org)
        assert stored == requests
        assert await compare(self.session, await days_with_rows(self.session, Days())) == []


async def value(session: Session, sql: str, **parameters: Any) -> Any:
    """Return the only value of a result."""
    ((only,),) = (await session.query(sql, parameters)).result_rows
    return only
