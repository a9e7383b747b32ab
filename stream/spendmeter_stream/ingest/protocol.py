"""The chunk protocol: the steps that store one chunk exactly once, and the guarantee of each step.

A chunk is a contiguous offset range of one partition. docs/exactly-once.md proves the order of the steps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import pyarrow as pa

from spendmeter_clickhouse import Session
from spendmeter_stream.barrier.waiter import BarrierWaiter
from spendmeter_stream.dlq.dead_letters import DeadLetters, DeadLetterSource
from spendmeter_stream.ingest.builder import BlockBuilder
from spendmeter_stream.ingest.conflicts import record_conflicts
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.ingest.dedup import SeenIds, drop_duplicates, lookup_coordinates
from spendmeter_stream.ingest.validate import Validated, validate
from spendmeter_stream.journal.coordinates import Coordinates, days_of
from spendmeter_stream.journal.exactly_once import exactly_once
from spendmeter_stream.journal.intents import Intent, OffsetRange, insert_token, write_intent
from spendmeter_stream.journal.landed_rows import completed, landed_rows
from spendmeter_stream.journal.suspects import flag_suspect
from spendmeter_stream.kafka.fence import Fence
from spendmeter_stream.kafka.topic_epoch import TopicEpoch
from spendmeter_stream.poison import Rejected, UnprocessableError, isolating
from spendmeter_stream.recovery.completion import SEND, Completion, completion
from spendmeter_stream.recovery.confirm import confirm
from spendmeter_stream.retry import retry_forever
from spendmeter_stream.stored_cards import store_cards

T = TypeVar("T")

FENCE_SECONDS: Final = 60.0
"""An insert sent later than this after the fence commits the fence again."""
STEPS: Final = ("validate", "dead_letter", "dedup", "build", "intent", "fence", "barrier", "insert")
"""The steps of every chunk. "confirm" follows if the insert was retried."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The records of a contiguous offset range of one partition, in order."""

    records: Sequence[DeadLetterSource]
    offsets: OffsetRange
    recovers: Intent | None = None
    """The intent of an earlier owner; None for a new chunk."""
    expired: bool = False
    """Whether retention has removed some of its records."""

    @property
    def is_recovery(self) -> bool:
        """Whether an earlier owner wrote an intent for this chunk."""
        return self.recovers is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of a chunk's records by outcome."""

    stored: int
    duplicates: int
    rejected: list[Rejected]


@dataclass(frozen=True, slots=True)
class _Built:
    """A chunk's block, and how many of its rows have already landed in raw events."""

    block: pa.Table
    landed: int = 0


@dataclass(slots=True, kw_only=True)
class ChunkProtocol:
    """Run the chunks of one partition through the steps, one at a time.

    Each step is a method. Tests override one to show that it is necessary, and `step` to interrupt a chunk anywhere.
    """

    fence: Fence
    coordinates: Coordinates
    seen: SeenIds
    store: Session
    dead_letters: DeadLetters
    cpu: Executor
    builder: BlockBuilder
    max_future: timedelta
    epoch: TopicEpoch
    _barrier: BarrierWaiter = field(init=False)
    _sent: int = field(init=False, default=0)
    """How many times the current block was sent."""
    _fenced_at: float = field(init=False, default=0.0)
    """When the coordinator last accepted a commit of our generation (monotonic clock)."""

    def __post_init__(self) -> None:
        self._barrier = BarrierWaiter(store=self.store, coordinates=self.coordinates, fence=self.fence)

    async def run(self, chunk: Chunk) -> Outcome:
        """Store `chunk` exactly once.

        :raises PartitionLostError: another worker owns the partition, and recovers the chunk from our intent.
        :raises TopicReplacedError: the topic was deleted or recreated before or during the fetch of the records.
        """
        # All records are fetched by now and nothing is written yet. A later change of the topic affects neither.
        await retry_forever("topic", self.epoch.verify)
        refused: dict[int, Rejected] = {}
        while True:
            try:
                return await self._run(chunk, refused)
            except UnprocessableError as error:
                # Raised before the intent, so the chunk can be restarted without these records.
                refused |= error.rejected

    async def _run(self, chunk: Chunk, refused: Mapping[int, Rejected]) -> Outcome:
        # 1. Every record is an event or a dead letter, and dead letters are published before anything is inserted.
        decided_at = self.decided_at(chunk)
        validated = await self.step("validate", lambda: self.validate(chunk, decided_at, refused))
        if validated.rejected:
            await self.step("dead_letter", lambda: self.dead_letter(chunk, validated.rejected))
        # 2. No event is stored under other coordinates, or occurs twice in this chunk.
        events = await self.step("dedup", lambda: self.dedup(chunk, validated.events))
        outcome = Outcome(
            stored=len(events),
            duplicates=len(validated.events) - len(events),
            rejected=validated.rejected,
        )
        if len(events) or chunk.is_recovery:
            # 3. Landed rows of an earlier owner are kept unchanged.
            built = await self.step("build", lambda: self.build(chunk, events))
            if built.block.num_rows:
                await self._store(chunk, built, decided_at)
                # The next chunk's fence closes this one.
                self.seen.add(events)
                return outcome
            # Neither its records nor its rows exist any more, but some rows may have reached a rollup.
            await self.step("suspect", lambda: self.flag_suspect(chunk))
        # Nothing to insert, so nothing to recover: close the chunk.
        await self.step("fence", lambda: self.fence.commit(chunk.offsets.end))
        return outcome

    async def _store(self, chunk: Chunk, built: _Built, decided_at: datetime) -> None:
        """Steps 4 to 8. Once the intent is written, any later owner of the partition can find the end of the block."""
        block = built.block
        # 4. The next owner learns from the intent where the block ends and which days it may have reached.
        await self.step("intent", lambda: self.write_intent(chunk, block, decided_at))
        # 5. Commit before inserting: the coordinator rejects a stale generation here, so a zombie never inserts.
        await self.step("fence", lambda: self.fence_chunk(chunk))
        # 6. No command replaces rollup partitions while we insert, and we do not insert while one does.
        await self.step("barrier", lambda: self.wait_for_barriers(chunk))
        # 7. A retry sends the same rows and token: landed parts are skipped, missing ones added, views included.
        #    A recovery does not insert if the token may have expired and rows have landed.
        todo = await self.step("complete", lambda: self.completion(chunk, built))
        self._sent = 0
        self._fenced_at = time.monotonic()
        if todo.insert:
            await self.step("insert", lambda: self.insert(chunk, block))
        # 8. If ClickHouse crashed in between, it may have kept the token but lost the rows.
        if chunk.is_recovery or self._sent > 1:
            await self.step("confirm", lambda: self.confirm(chunk, block, todo))

    def decided_at(self, chunk: Chunk) -> datetime:
        """Return the clock time by which the records are validated."""
        # A recovery must validate as the first owner did: a record too far in the future then may be acceptable now.
        return chunk.recovers.decided_at if chunk.recovers else datetime.now(UTC)

    async def validate(self, chunk: Chunk, now: datetime, refused: Mapping[int, Rejected]) -> Validated:
        """Classify each record as an event or a dead letter."""
        records = [record for record in chunk.records if record.offset not in refused] if refused else chunk.records

        def judge(rows: Sequence[int]) -> Validated:
            return validate([records[row] for row in rows], now=now, max_future=self.max_future)

        found = await self._off_loop(lambda: isolating([record.offset for record in records], judge))
        return Validated(found.events, [*found.rejected, *refused.values()])

    async def dead_letter(self, chunk: Chunk, rejected: Sequence[Rejected]) -> None:
        """Publish dead letters, and wait for their acknowledgement."""
        records = {record.offset: record for record in chunk.records}
        await self.dead_letters.send([(records[why.offset], why) for why in rejected])

    async def dedup(self, chunk: Chunk, events: Events) -> Events:
        """Drop events that are stored under other coordinates, and repeats."""
        # A recovery looks up all events: the filter does not contain copies that were removed as surplus.
        every = list(range(len(events)))
        candidates = every if chunk.is_recovery else await self._off_loop(lambda: self._candidates(chunk, events))
        stored = await lookup_coordinates(self.store, events.take(candidates)) if candidates else {}
        # A recovery keeps rows stored under its own coordinates, so that the block stays identical. A new chunk drops
        # them: the group's offsets were reset manually, and the token may have expired.
        ours = self.coordinates if chunk.is_recovery else None
        kept = await self._off_loop(lambda: drop_duplicates(events, stored, ours=ours))
        if len(kept) < len(events):
            await record_conflicts(self.store, events, kept, self.coordinates)
        return kept

    def _candidates(self, chunk: Chunk, events: Events) -> list[int]:
        """Return the rows of `events` to look up: filter hits, and events whose copies may be in another partition."""
        keys = {record.offset: record.key for record in chunk.records}
        rekeyed = [
            row
            for row, (key, offset) in enumerate(zip(events.keys, events.offsets, strict=True))
            if keys[offset] != key
        ]
        return sorted({*self.seen.possible_duplicates(events), *rekeyed})

    async def build(self, chunk: Chunk, events: Events) -> _Built:
        """Price and enrich the events; keep landed rows of a recovered chunk unchanged."""

        book = self.builder.book()

        def build(rows: Sequence[int]) -> pa.Table:
            return self.builder.build(events.take(list(rows)), self.coordinates, book)

        block = await self._off_loop(lambda: isolating(events.offsets, build))
        # Before the rows: a stored call always refers to a stored card.
        await store_cards(self.store, book)
        if chunk.recovers is None:
            return _Built(block)
        days = chunk.recovers.days
        landed = await landed_rows(self.store, block, self.coordinates, chunk.offsets, days=days)
        return _Built(completed(block, landed), landed.num_rows)

    async def wait_for_barriers(self, chunk: Chunk) -> None:
        """Wait until no command has requested the ingest barrier."""
        await self._barrier.pass_through(chunk.offsets.start, recovery=chunk.is_recovery)

    async def completion(self, chunk: Chunk, built: _Built) -> Completion:
        """Decide how the block is completed; a new one is sent."""
        if chunk.recovers is None:
            return SEND
        return await completion(self.store, chunk.recovers, built.block, landed=built.landed, expired=chunk.expired)

    async def flag_suspect(self, chunk: Chunk) -> None:
        """Flag the days of a recovered chunk of which nothing is left."""
        if chunk.recovers:
            await flag_suspect(self.store, insert_token(self.coordinates, chunk.offsets), days=chunk.recovers.days)

    async def write_intent(self, chunk: Chunk, block: pa.Table, decided_at: datetime) -> None:
        """Record the range of the block and its days."""
        await write_intent(
            self.store,
            self.coordinates,
            chunk.offsets,
            generation=self.fence.generation,
            days=days_of(block),
            decided_at=decided_at,
        )

    async def fence_chunk(self, chunk: Chunk) -> None:
        """Commit the start of `chunk`: only the current owner of the partition can."""
        await self.fence.commit(chunk.offsets.start)

    async def refence(self, chunk: Chunk) -> None:
        """Fence an insert that is sent or retried late."""
        # The token stops a zombie only until it expires, and a frozen process cannot measure how long it was frozen.
        if time.monotonic() - self._fenced_at > FENCE_SECONDS:
            await self.fence_chunk(chunk)
            self._fenced_at = time.monotonic()

    async def insert(self, chunk: Chunk, block: pa.Table) -> None:
        """Send the block once."""
        await self.refence(chunk)
        self._sent += 1
        await self.store.insert_arrow("usage_events", block, settings=self.insert_settings(chunk))

    def insert_settings(self, chunk: Chunk) -> dict[str, int | str]:
        """Return the ClickHouse settings of the insert, with the chunk's deduplication token."""
        return exactly_once(insert_token(self.coordinates, chunk.offsets))

    async def confirm(self, chunk: Chunk, block: pa.Table, todo: Completion) -> None:
        """Verify that every row of the block landed."""
        await confirm(self.store, block, self.coordinates, chunk.offsets, suspect=todo.suspect)

    async def step(self, name: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run one step, and retry it until it succeeds."""
        return await retry_forever(name, attempt)

    async def _off_loop(self, function: Callable[[], T]) -> T:
        # The thread competes for the interpreter lock, but releases it every few milliseconds.
        return await asyncio.get_running_loop().run_in_executor(self.cpu, function)
