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
from functools import partial
from typing import Final, TypeVar

import pyarrow as pa

from spendmeter_clickhouse import Session
from spendmeter_stream.barrier.waiter import BarrierWaiter
from spendmeter_stream.dlq.dead_letters import DeadLetters, DeadLetterSource
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.ingest.dedup import SeenIds, drop_duplicates, lookup_coordinates
from spendmeter_stream.ingest.validate import Validated, validate
from spendmeter_stream.journal.coordinates import Coordinates, days_of
from spendmeter_stream.journal.intents import Intent, OffsetRange, insert_token, write_intent
from spendmeter_stream.journal.landed_rows import completed, landed_rows
from spendmeter_stream.journal.suspects import flag_suspect
from spendmeter_stream.kafka.fence import Fence
from spendmeter_stream.poison import Rejected, UnprocessableError, isolating
from spendmeter_stream.recovery.completion import SEND, Completion, completion
from spendmeter_stream.recovery.confirm import confirm
from spendmeter_stream.retry import retry_forever

T = TypeVar("T")

EXACTLY_ONCE: Final = {
    "async_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # The views already group their rows: merging them again on insert has no effect.
    "optimize_on_insert": 0,
}
FENCE_SECONDS: Final = 60.0
"""An insert sent later than this after the fence commits the fence again."""
STEPS: Final = ("validate", "dead_letter", "dedup", "build", "intent", "fence", "barrier", "insert")
"""The steps of every chunk. "confirm" follows if the insert was retried."""


@dataclass(frozen=True, slots=True)
class Guarantees:
    """Steps that can be disabled, to measure the cost of each and to prove that each is necessary."""

    dedup: bool = True
    intent: bool = True
    fence: bool = True
    token: bool = True
    view_dedup: bool = True
    confirm: bool = True
    decision: bool = True
    """A recovery validates with the clock time of the first validation."""
    token_age: bool = True
    """A recovery checks which rows landed if ClickHouse may have expired the deduplication token."""
    expired: bool = True
    """A recovery whose records have expired flags the landed rows as suspect."""
    orphans: bool = True
    """A starting worker flags the days of orphaned chunks as suspect."""
    epoch: bool = True
    """A chunk is stored only under the topic id that its records were fetched from."""
    group: bool = True
    """A worker of a second consumer group is rejected."""
    refence: bool = True
    """An insert sent late after its fence commits the fence again."""


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
    """Run the chunks of one partition through the steps, one at a time."""

    fence: Fence
    coordinates: Coordinates
    seen: SeenIds
    store: Session
    dead_letters: DeadLetters
    cpu: Executor
    build: Callable[[Events, Coordinates], pa.Table]
    max_future: timedelta
    verify_epoch: Callable[[], Awaitable[None]] | None = None
    """Raises TopicReplacedError if the topic no longer has the id of `coordinates`."""
    guarantees: Guarantees = field(default_factory=Guarantees)
    reached: Callable[[str], None] | None = None
    """Called with `before:STEP` and `after:STEP`. The fault injection tests kill the process there."""
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
        if self.verify_epoch is not None:
            await retry_forever("topic", self.verify_epoch)
        refused: dict[int, Rejected] = {}
        while True:
            try:
                return await self._run(chunk, refused)
            except UnprocessableError as error:
                # Raised before the intent, so the chunk can be restarted without these records.
                refused |= error.rejected

    async def _run(self, chunk: Chunk, refused: Mapping[int, Rejected]) -> Outcome:
        # 1. Every record is an event or a dead letter, and dead letters are published before anything is inserted.
        decided_at = self._decided_at(chunk)
        validated = await self._step("validate", lambda: self._validate(chunk, decided_at, refused))
        if validated.rejected:
            await self._step("dead_letter", lambda: self._dead_letter(chunk, validated.rejected))
        # 2. No event is stored under other coordinates, or occurs twice in this chunk.
        events = await self._step("dedup", lambda: self._dedup(chunk, validated.events))
        outcome = Outcome(
            stored=len(events),
            duplicates=len(validated.events) - len(events),
            rejected=validated.rejected,
        )
        if len(events) or (chunk.recovers and self.guarantees.expired):
            # 3. Landed rows of an earlier owner are kept unchanged.
            built = await self._step("build", lambda: self._build(chunk, events))
            if built.block.num_rows:
                await self._store(chunk, built, decided_at)
                # The next chunk's fence closes this one.
                self.seen.add(events)
                return outcome
            # Neither its records nor its rows exist any more, but some rows may have reached a rollup.
            await self._step("suspect", lambda: self._suspect(chunk))
        # Nothing to insert, so nothing to recover: close the chunk.
        await self._step("fence", lambda: self.fence.commit(chunk.offsets.end))
        return outcome

    async def _store(self, chunk: Chunk, built: _Built, decided_at: datetime) -> None:
        """Steps 4 to 8. Once the intent is written, any later owner of the partition can find the end of the block."""
        block = built.block
        # 4. The next owner learns from the intent where the block ends and which days it may have reached.
        if self.guarantees.intent:
            await self._step("intent", lambda: self._write_intent(chunk, block, decided_at))
        # 5. Commit before inserting: the coordinator rejects a stale generation here, so a zombie never inserts.
        if self.guarantees.fence:
            await self._step("fence", lambda: self.fence.commit(chunk.offsets.start))
        # 6. No command replaces rollup partitions while we insert, and we do not insert while one does.
        await self._step("barrier", lambda: self._wait_for_barriers(chunk))
        # 7. A retry sends the same rows and token: landed parts are skipped, missing ones added, views included.
        #    A recovery does not insert if the token may have expired and rows have landed.
        todo = await self._step("complete", lambda: self._completion(chunk, built)) if chunk.recovers else SEND
        self._sent = 0
        self._fenced_at = time.monotonic()
        if todo.insert:
            await self._step("insert", lambda: self._insert(chunk, block))
        # 8. If ClickHouse crashed in between, it may have kept the token but lost the rows.
        if self.guarantees.confirm and (chunk.is_recovery or self._sent > 1):
            check = partial(confirm, self.store, block, self.coordinates, chunk.offsets, suspect=todo.suspect)
            await self._step("confirm", check)

    def _decided_at(self, chunk: Chunk) -> datetime:
        # A recovery must validate as the first owner did: a record too far in the future then may be acceptable now.
        if chunk.recovers and self.guarantees.decision:
            return chunk.recovers.decided_at
        return datetime.now(UTC)

    async def _validate(self, chunk: Chunk, now: datetime, refused: Mapping[int, Rejected]) -> Validated:
        records = [record for record in chunk.records if record.offset not in refused] if refused else chunk.records

        def judge(rows: Sequence[int]) -> Validated:
            return validate([records[row] for row in rows], now=now, max_future=self.max_future)

        found = await self._off_loop(lambda: isolating([record.offset for record in records], judge))
        return Validated(found.events, [*found.rejected, *refused.values()])

    async def _dead_letter(self, chunk: Chunk, rejected: Sequence[Rejected]) -> None:
        records = {record.offset: record for record in chunk.records}
        await self.dead_letters.send([(records[why.offset], why) for why in rejected])

    async def _dedup(self, chunk: Chunk, events: Events) -> Events:
        if not self.guarantees.dedup:
            return events
        # A recovery looks up all events: the filter does not contain copies that were removed as surplus.
        every = list(range(len(events)))
        candidates = every if chunk.is_recovery else await self._off_loop(lambda: self._candidates(chunk, events))
        stored = await lookup_coordinates(self.store, events.take(candidates)) if candidates else {}
        # A recovery keeps rows stored under its own coordinates, so that the block stays identical. A new chunk drops
        # them: the group's offsets were reset manually, and the token may have expired.
        ours = self.coordinates if chunk.is_recovery else None
        return await self._off_loop(lambda: drop_duplicates(events, stored, ours=ours))

    def _candidates(self, chunk: Chunk, events: Events) -> list[int]:
        """Return the rows of `events` to look up: filter hits, and events whose copies may be in another partition."""
        keys = {record.offset: record.key for record in chunk.records}
        rekeyed = [
            row
            for row, (key, offset) in enumerate(zip(events.keys, events.offsets, strict=True))
            if keys[offset] != key
        ]
        return sorted({*self.seen.possible_duplicates(events), *rekeyed})

    async def _build(self, chunk: Chunk, events: Events) -> _Built:
        def build(rows: Sequence[int]) -> pa.Table:
            return self.build(events.take(list(rows)), self.coordinates)

        block = await self._off_loop(lambda: isolating(events.offsets, build))
        if chunk.recovers is None:
            return _Built(block)
        days = chunk.recovers.days if self.guarantees.expired else ()
        landed = await landed_rows(self.store, block, self.coordinates, chunk.offsets, days=days)
        return _Built(completed(block, landed), landed.num_rows)

    async def _wait_for_barriers(self, chunk: Chunk) -> None:
        await self._barrier.pass_through(chunk.offsets.start, recovery=chunk.is_recovery)

    async def _completion(self, chunk: Chunk, built: _Built) -> Completion:
        if chunk.recovers is None or not self.guarantees.token_age:
            return SEND
        expired = chunk.expired and self.guarantees.expired
        return await completion(self.store, chunk.recovers, built.block, landed=built.landed, expired=expired)

    async def _suspect(self, chunk: Chunk) -> None:
        if chunk.recovers:
            await flag_suspect(self.store, self.coordinates, chunk.offsets, days=chunk.recovers.days)

    async def _write_intent(self, chunk: Chunk, block: pa.Table, decided_at: datetime) -> None:
        await write_intent(
            self.store,
            self.coordinates,
            chunk.offsets,
            generation=self.fence.generation,
            days=days_of(block),
            decided_at=decided_at,
        )

    async def _insert(self, chunk: Chunk, block: pa.Table) -> None:
        # The token stops a zombie only until it expires, and a frozen process cannot measure how long it was frozen.
        if self.guarantees.fence and self.guarantees.refence and time.monotonic() - self._fenced_at > FENCE_SECONDS:
            await self.fence.commit(chunk.offsets.start)
            self._fenced_at = time.monotonic()
        self._sent += 1
        settings = dict(EXACTLY_ONCE)
        if not self.guarantees.view_dedup:
            settings["deduplicate_blocks_in_dependent_materialized_views"] = 0
        token = insert_token(self.coordinates, chunk.offsets) if self.guarantees.token else ""
        await self.store.insert_arrow("usage_events", block, settings={**settings, "insert_deduplication_token": token})

    async def _step(self, name: str, attempt: Callable[[], Awaitable[T]]) -> T:
        self._reached(f"before:{name}")
        result = await retry_forever(name, attempt)
        self._reached(f"after:{name}")
        return result

    def _reached(self, point: str) -> None:
        if self.reached is not None:
            self.reached(point)

    async def _off_loop(self, function: Callable[[], T]) -> T:
        # The thread competes for the interpreter lock, but releases it every few milliseconds.
        return await asyncio.get_running_loop().run_in_executor(self.cpu, function)
