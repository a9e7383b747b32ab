"""One partition from assignment to revocation: resume, collect chunks, run them, close the last."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from spendmeter_stream import metrics
from spendmeter_stream.errors import (
    LogRewoundError,
    PartitionLostError,
    PartitionStoppedError,
    StreamError,
    TopicReplacedError,
)
from spendmeter_stream.ingest.pacing import Pacing
from spendmeter_stream.ingest.partition_reader import PartitionReader
from spendmeter_stream.ingest.pending import ChunkLimits, PendingChunk
from spendmeter_stream.ingest.protocol import Chunk, ChunkProtocol
from spendmeter_stream.journal.intents import OffsetRange
from spendmeter_stream.journal.orphans import chunk_to_recover
from spendmeter_stream.kafka.lag import Lag
from spendmeter_stream.poison import BadRecordLimit, name_of
from spendmeter_stream.retry import on_refused, retry_forever
from spendmeter_stream.runtime.background import BackgroundTasks

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.2
_RESTART_SECONDS: Final = 5.0
_EPOCH_SECONDS: Final = 5.0
"""Interval at which an idle partition verifies the topic id: a fetch at the end of a recreated topic does not fail."""
_REPLACED_SECONDS: Final = 1.0
_CANCEL_SECONDS: Final = 1.0
"""How long to wait for a cancelled task: a coroutine may swallow the cancellation."""


class PartitionTask:
    """The asyncio task of one partition. Stopping it completes the chunk in progress first."""

    def __init__(
        self,
        *,
        consumer: AIOKafkaConsumer,
        partition: TopicPartition,
        prepare: Callable[[], Awaitable[ChunkProtocol]],
        pacing: Pacing,
        limits: ChunkLimits,
        slots: asyncio.Semaphore,
        max_bad_in_a_row: int,
        tasks: BackgroundTasks,
    ) -> None:
        self._reader = PartitionReader(consumer=consumer, partition=partition)
        self._partition = partition
        self._prepare = prepare
        self._pacing = pacing
        self._limits = limits
        self._slots = slots
        self._bad_records = BadRecordLimit(partition=partition.partition, maximum=max_bad_in_a_row)
        self._background = tasks
        self._name = f"partition-{partition.partition}"
        self._stopping = asyncio.Event()
        self._position = 0
        self._open = False
        self._resumed = False
        self._rewound: tuple[str, int] | None = None
        """Topic id and log start offset of a truncated log."""
        self._topic_id = ""
        self._verified_at = 0.0
        self._lag = Lag(partition=partition.partition)
        # Nothing may be fetched before `prepare` has read the topic id: it could belong to an earlier epoch.
        self._reader.pause()
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self, *, timeout: float) -> str | None:
        """Complete and close the chunk in progress; after `timeout` seconds, leave it open for recovery.

        Returns a description of the chunk that was left open, or None.
        """
        self._stopping.set()
        done, _ = await asyncio.wait([self._task], timeout=timeout)
        left = None
        if not done:
            left = f"partition {self._partition.partition} at offset {self._position}"
            log.warning(
                "%s: chunk not completed within %.0f s; left open for recovery by the next owner", left, timeout
            )
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_CANCEL_SECONDS)
        self._lag.hide()
        self._background.forget(self._name)
        return left

    def report_lag(self) -> None:
        """Export the partition's current lag, even while a chunk is blocked."""
        if self._resumed:
            self._lag.report((self._reader.end() or 0) - self._position)

    def caught_up(self, *, since_ms: int = 0) -> bool:
        """Whether all records of the broker are stored, according to a fetch answered after `since_ms` (Unix time)."""
        end = self._reader.end()
        answered = self._reader.answered_at()
        return end is not None and self._position >= end and answered >= since_ms

    @property
    def position(self) -> int:
        """The end offset of the last stored chunk."""
        return self._position

    async def _run(self) -> None:
        label = str(self._partition.partition)
        on_refused.set(lambda reason: self._stopped(StreamError(reason)))
        while not self._stopping.is_set():
            try:
                await self._work()
            except PartitionLostError as error:
                log.warning("partition reassigned: %s", error)
                self._background.forget(self._name)
                break
            except LogRewoundError as error:
                log.error("%s", error)
                self._rewound = (self._topic_id, error.earliest)
            except TopicReplacedError as error:
                log.error("%s", error)
                await self._sleep(_REPLACED_SECONDS)
            except PartitionStoppedError as error:
                self._stopped(error)
                await self._stopping.wait()
            except Exception as error:
                # Not caused by a record: those are dead-lettered. The chunk stays open, and a retry is safe.
                metrics.PARTITION_STOPPED.labels(label).set(1)
                self._background.failed(self._name, StreamError(name_of(error)))
                log.error("partition %s stopped (%s); retrying in %s s", label, name_of(error), _RESTART_SECONDS)
                await self._sleep(_RESTART_SECONDS)
        metrics.PARTITION_STOPPED.labels(label).set(0)

    def _stopped(self, error: StreamError) -> None:
        metrics.PARTITION_STOPPED.labels(str(self._partition.partition)).set(1)
        self._background.report(self._name, error)
        log.error("partition %d stopped, operator action required: %s", self._partition.partition, error)

    async def _work(self) -> None:
        self._resumed = False
        self._reader.pause()
        protocol = await retry_forever("rebuild_filter", self._prepare)
        self._topic_id = protocol.coordinates.topic_id
        await self._resume(protocol)
        self._resumed = True
        while not self._stopping.is_set():
            pending, reason = await self._collect()
            if pending.records:
                self._verified_at = time.monotonic()
                async with self._slot(protocol, pending):
                    offsets = OffsetRange(self._position, pending.end)
                    await self._process(protocol, Chunk(pending.records, offsets), reason=reason)
            elif self._open or pending.end > self._position:
                # Only transaction markers or skipped records were read: commit past them.
                self._position = pending.end
                await self._close(protocol)
            else:
                await self._verify_epoch(protocol)
            metrics.PARTITION_STOPPED.labels(str(self._partition.partition)).set(0)
            self._background.report(self._name, None)
        if self._open:
            await self._close(protocol)

    async def _resume(self, protocol: ChunkProtocol) -> None:
        """Seek to the committed offset, and recover the chunk that an earlier owner left open there."""
        self._position = await retry_forever("resume", lambda: self._reader.committed(self._topic_id))
        earliest = await retry_forever("resume", self._reader.earliest)
        rewound, self._rewound = self._rewound, None
        # After a new epoch began, the committed offset of that epoch applies instead.
        if rewound is not None and rewound[0] == self._topic_id:
            # The log was truncated: an intent of these offsets describes other records.
            self._position = rewound[1]
            self._reader.seek(self._position)
            return
        self._reader.seek(max(self._position, earliest))
        intent = await retry_forever(
            "resume",
            lambda: chunk_to_recover(protocol.store, protocol.coordinates, committed=self._position),
        )
        if intent is None:
            self._skip_lost(earliest)
            return
        records = await self._reread(intent.offsets)
        metrics.RECOVERED_CHUNKS.inc()
        log.info("partition %s: recovering the open chunk %s", self._partition.partition, intent.offsets)
        self._lag.begin(records[0].timestamp if records else None)
        self._reader.count_lost(self._position, min(earliest, intent.offsets.end))
        async with self._slots:
            # Retention may have removed its first records, or all of them.
            expired = not records or records[0].offset > intent.offsets.start
            chunk = Chunk(records, intent.offsets, recovers=intent, expired=expired)
            await self._process(protocol, chunk, reason="recovery")
        self._skip_lost(earliest)
        self._reader.seek(self._position)

    async def _verify_epoch(self, protocol: ChunkProtocol) -> None:
        """Verify the topic id of an idle partition every few seconds. A chunk verifies it on its own."""
        if time.monotonic() - self._verified_at > _EPOCH_SECONDS:
            self._verified_at = time.monotonic()
            with suppress(KafkaError):
                await protocol.epoch.verify()

    def _skip_lost(self, earliest: int) -> None:
        """Continue at the log start offset if retention removed records past our position."""
        if earliest > self._position:
            self._reader.count_lost(self._position, earliest)
            self._position = earliest
            # The next close commits it, so that no later owner counts the same loss again.
            self._open = True

    async def _reread(self, offsets: OffsetRange) -> list[ConsumerRecord]:
        """Return the records of `offsets` that the broker still has."""
        records: list[ConsumerRecord] = []
        while (position := await self._reader.position()) < offsets.end:
            batch, _ = await self._reader.poll(_POLL_SECONDS, self._limits.records)
            end_of_log = self._reader.end()
            if not batch and end_of_log is not None and position >= end_of_log:
                break
            records += batch
            if self._stopping.is_set():
                raise PartitionLostError(f"partition {self._partition.partition}: stopped during recovery")
        return [record for record in records if offsets.start <= record.offset < offsets.end]

    async def _collect(self) -> tuple[PendingChunk, str]:
        """Collect the next chunk's records until a size limit or the chunk's deadline is reached."""
        pending = PendingChunk(self._limits, self._position)
        deadline = time.monotonic() + _POLL_SECONDS
        while pending.room > 0:
            wait = deadline - time.monotonic()
            if wait <= 0 or self._stopping.is_set():
                return pending, "time"
            batch, end = await self._reader.poll(min(wait, _POLL_SECONDS), pending.room)
            if batch and not pending.records:
                deadline = self._pacing.deadline(time.monotonic())
                self._lag.begin(batch[0].timestamp)
            pending.add(batch, end)
        return pending, "size"

    @asynccontextmanager
    async def _slot(self, protocol: ChunkProtocol, pending: PendingChunk) -> AsyncIterator[None]:
        """Acquire one of the worker's slots for chunks in flight.

        Records that arrive meanwhile join the chunk: otherwise they would wait for another round of all partitions.
        """
        slot = asyncio.create_task(self._slots.acquire())
        try:
            await asyncio.sleep(0)  # Let it acquire a free slot.
            if self._open and not slot.done():
                # Close our open chunk first: a barrier waits for open chunks while paused chunks keep their slots, so
                # waiting here would deadlock. `locked()` is no answer: another partition may take the last slot first.
                await self._close(protocol)
            while pending.room > 0 and not slot.done() and not self._stopping.is_set():
                await asyncio.wait([slot], timeout=_POLL_SECONDS)
                pending.add(*await self._reader.poll(0, pending.room))
            await slot
            yield
        finally:
            # Cancelling this task while it awaits the slot cancels `slot` as well: then nothing was acquired.
            if slot.done() and not slot.cancelled():
                self._slots.release()
            else:
                slot.cancel()

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _process(self, protocol: ChunkProtocol, chunk: Chunk, *, reason: str) -> None:
        outcome = await protocol.run(chunk)
        self._position = chunk.offsets.end
        self._lag.end(chunk.records[-1].timestamp if chunk.records else None)
        self._open = True
        metrics.CHUNKS.labels(reason).inc()
        metrics.CHUNK_RECORDS.observe(len(chunk.records))
        codes = [why.code for why in outcome.rejected]
        metrics.count_outcome(outcome.stored, outcome.duplicates, codes)
        self.report_lag()
        self._bad_records.check(codes, records=len(chunk.records), end=chunk.offsets.end)

    async def _close(self, protocol: ChunkProtocol) -> None:
        """Commit the end of the last chunk, so that no chunk is open and the group's lag drops to zero."""
        await retry_forever("fence", lambda: protocol.fence.commit(self._position))
        self._open = False
