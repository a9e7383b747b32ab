"""The ingest service: consumes the usage topic in chunks, one task per partition.

It has its own consumer. Faust passes events to agents one by one, which costs more than processing them.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Final

import mode
from aiokafka import ConsumerRebalanceListener, TopicPartition

from spendmeter_clickhouse import Store
from spendmeter_events.topics import USAGE
from spendmeter_stream.dlq.dead_letters import DeadLetters
from spendmeter_stream.ingest.builder import BlockBuilder
from spendmeter_stream.ingest.dedup import rebuild_filter
from spendmeter_stream.ingest.pacing import Pacing
from spendmeter_stream.ingest.partition import PartitionTask
from spendmeter_stream.ingest.pending import ChunkLimits
from spendmeter_stream.ingest.protocol import ChunkProtocol
from spendmeter_stream.ingest.topic_epochs import TopicEpochs
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.group_owner import ensure_group
from spendmeter_stream.kafka.consuming import dead_task, find_topic, group_error, make_consumer
from spendmeter_stream.kafka.fence import Fence
from spendmeter_stream.kafka.topic_epoch import TopicEpoch
from spendmeter_stream.retry import retry_forever
from spendmeter_stream.runtime.background import BackgroundTasks
from spendmeter_stream.runtime.health import WorkerHealth
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.stopping import CHUNKS, CLIENT, in_time

log = logging.getLogger(__name__)

_GROUP: Final = "group"
"""The name of the group membership condition in `/readyz`."""
_BUFFER_BYTES: Final = 256 * 2**20
"""Raw records buffered in memory, over all partitions of this worker."""
_WATCH_SECONDS: Final = 1.0
_LAG_SECONDS: Final = 1.0
"""Interval of the lag export between chunks."""
_CHUNKS_AT_ONCE: Final = 3
"""One being built, one being inserted, one queued. More would use memory without a gain on few cores."""


class Ingest(mode.Service):
    """Own the consumer, and run a `PartitionTask` for each assigned partition.

    Tests replace a part in a subclass, to show that each guarantee is necessary.
    """

    mundane_level = "debug"
    protocol: ClassVar[type[ChunkProtocol]] = ChunkProtocol
    topic_epoch: ClassVar[type[TopicEpoch]] = TopicEpoch
    topic_epochs: ClassVar[type[TopicEpochs]] = TopicEpochs

    def __init__(
        self,
        *,
        settings: StreamSettings,
        store: Store,
        builder: BlockBuilder,
        find_topic_id: Callable[[], Awaitable[str]],
        tasks: BackgroundTasks,
        health: WorkerHealth | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._settings = settings
        self._builder = builder
        self._find_topic_id = find_topic_id
        self._background = tasks
        self._health = health or WorkerHealth()
        self._health.report(_GROUP, "has not joined its consumer group yet")
        # aiokafka's clients need a running event loop, so `on_start` creates them.
        self._consumer: Any = None
        self._producer: Any = None
        self._cpu = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compute")
        self._session = store.session("ingest", size=_CHUNKS_AT_ONCE)
        self.left_open: list[str] = []
        """After the stop: the partitions whose chunk was left open."""
        self._partitions: dict[TopicPartition, PartitionTask] = {}
        self._slots = asyncio.Semaphore(_CHUNKS_AT_ONCE)
        self._pacing = Pacing(interval=settings.chunk_interval_ms / 1000, chunks_per_second=settings.chunks_per_second)

    async def on_start(self) -> None:
        """Prepare everything that chunks need, then join the group."""
        freeze_gc()
        # Some brokers do not know a topic for a moment after its creation.
        self._epochs = self.topic_epochs(
            topic_id=await retry_forever("topic_id", self._find_topic_id),
            configured=bool(self._settings.topic_id),
            session=self._session,
        )
        await retry_forever("group", self.ensure_group)
        # Chunks of an earlier topic epoch have no other owner: each start of a memory broker begins a new epoch.
        await retry_forever("orphans", self._epochs.suspect_orphans)
        await retry_forever("directory", self._builder.directory.refresh)
        self._producer = DeadLetters.producer(self._settings.client_options())
        await self._producer.start()
        await self._open_consumer()

    async def _open_consumer(self) -> None:
        self._consumer = make_consumer(self._settings)
        self._consumer.subscribe([USAGE], listener=_Assignment(self))
        await self._consumer.start()

    async def on_stop(self) -> None:
        """Complete and close the chunks in progress, then leave the group; each has a share of the stop timeout."""
        seconds = self._settings.stop_timeout_seconds
        ours = list(self._partitions)
        self.left_open += await self._stop_tasks(ours, timeout=CHUNKS * seconds)
        if ours:
            log.info("partitions %s released for the next owner", _numbers(ours))
        for name, client in (("leave the group", self._consumer), ("close the producer", self._producer)):
            # None if the start was interrupted.
            if client is not None and not await in_time(client.stop(), CLIENT * seconds, name=name):
                log.warning("could not %s: Kafka did not answer within %.1f s", name, CLIENT * seconds)
        # Do not wait: the stop timeout of pending calls is used up.
        self._session.close(seconds=0)
        self._cpu.shutdown(wait=False)

    @mode.Service.timer(_LAG_SECONDS)
    async def _report_lag(self) -> None:
        await self._background.once("lag", self._export_lag)

    @mode.Service.task
    async def _keep_consuming(self) -> None:
        await self._background.run("consumer", self._watch_consumer, stopping=lambda: self.should_stop)

    async def _watch_consumer(self) -> None:
        if dead_task(self._consumer) is not None:
            await self._replace_consumer()
        while not self.should_stop:
            await self.sleep(_WATCH_SECONDS)
            if (dead := dead_task(self._consumer)) is not None:
                raise RuntimeError(dead)
            find_topic(self._consumer, USAGE)
            refused = None if self._partitions else group_error(self._consumer)
            if refused is not None:
                log.error("group %s rejected this worker; rejoining: %s", self._settings.group, refused)
            self._background.report("consumer", refused)

    async def _replace_consumer(self) -> None:
        """Join the group with a new consumer. Open chunks are recovered, as after any reassignment."""
        await self.revoke(list(self._partitions))
        with suppress(Exception):
            await asyncio.wait_for(self._consumer.stop(), self._settings.stop_timeout_seconds)
        await retry_forever("consumer", self._open_consumer)

    async def _export_lag(self) -> None:
        ours = self._consumer.assignment()
        for partition, task in self._partitions.items():
            if partition in ours:
                task.report_lag()

    def caught_up(self, *, since_ms: int = 0) -> bool:
        """Whether all records of our partitions are stored, as of fetches answered after `since_ms` (Unix time)."""
        tasks = self._partitions.values()
        return bool(tasks) and all(task.caught_up(since_ms=since_ms) for task in tasks)

    def position(self) -> int:
        """The sum of the end offsets of the last stored chunks: it grows while events are stored."""
        return sum(task.position for task in self._partitions.values())

    def kafka_failure(self) -> str | None:
        """Why the group coordinator is unreachable; None while it is reachable, and before the group was joined."""
        coordinator = self._consumer._coordinator if self._consumer is not None else None
        if coordinator is None or coordinator.coordinator_id is not None:
            return None
        return "the group coordinator is unreachable"

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Start a task for each of `partitions`."""
        log.info("partitions %s assigned by group %s", _numbers(partitions), self._settings.group)
        self._health.report(_GROUP, None)
        share = max(len(partitions), 16)
        for partition in partitions:
            fence = Fence(consumer=self._consumer, partition=partition)
            epoch = self.topic_epoch(consumer=self._consumer, partition=partition)
            self._partitions[partition] = PartitionTask(
                consumer=self._consumer,
                partition=partition,
                prepare=partial(self._prepare, partition, fence, epoch, len(partitions)),
                pacing=self._pacing,
                limits=ChunkLimits(records=self._settings.chunk_records, bytes=_BUFFER_BYTES // share),
                slots=self._slots,
                max_bad_in_a_row=self._settings.max_bad_in_a_row,
                tasks=self._background,
            )

    async def revoke(self, partitions: Sequence[TopicPartition]) -> None:
        """Stop the tasks of `partitions`, each after its chunk in progress."""
        if partitions:
            log.info("partitions %s revoked", _numbers(partitions))
            self._health.report(_GROUP, "the group is rebalancing")
        await self._stop_tasks(partitions, timeout=self._settings.stop_timeout_seconds)

    async def _stop_tasks(self, partitions: Sequence[TopicPartition], *, timeout: float) -> list[str]:
        """Stop the tasks, and return descriptions of the chunks that were left open."""
        tasks = [self._partitions.pop(partition) for partition in partitions if partition in self._partitions]
        left = await asyncio.gather(*(task.stop(timeout=timeout) for task in tasks))
        return [chunk for chunk in left if chunk is not None]

    async def _prepare(
        self, partition: TopicPartition, fence: Fence, epoch: TopicEpoch, shared_by: int
    ) -> ChunkProtocol:
        # Read before the first fetch, so that the records belong to this epoch or to a later one.
        fence.topic_id = await self._epochs.enter(await epoch.read())
        # Checked on each assignment: the store may have been assigned to another group since.
        await self.ensure_group()
        seen = await rebuild_filter(
            self._session,
            partition=partition.partition,
            width=len(self._consumer.partitions_for_topic(USAGE) or {partition}),
            capacity=max(1000, self._settings.dedup_ids // (2 * shared_by)),
        )
        return self.protocol(
            fence=fence,
            coordinates=Coordinates(fence.topic_id, partition.partition),
            seen=seen,
            store=self._session,
            dead_letters=DeadLetters(producer=self._producer),
            cpu=self._cpu,
            builder=self._builder,
            max_future=timedelta(seconds=self._settings.max_future_seconds),
            epoch=epoch,
        )

    async def ensure_group(self) -> None:
        """Reject a store that another consumer group fills."""
        await ensure_group(self._session, self._settings.group)


def freeze_gc() -> None:
    """Exempt all objects loaded so far from garbage collection, and collect less often.

    A chunk allocates and drops 100,000 objects, none in a cycle. With Python's defaults, the collector then traverses
    the price book and all modules several times a second, for a quarter of the time that a chunk takes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Forward rebalance callbacks to the service."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Complete the chunks in progress before the partitions are reassigned."""
        await self._ingest.revoke(list(revoked))

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Start the partition tasks. Each recovers the chunk that an earlier owner left open first."""
        self._ingest.assign(list(assigned))


def _numbers(partitions: Iterable[TopicPartition]) -> list[int]:
    return sorted(partition.partition for partition in partitions)
