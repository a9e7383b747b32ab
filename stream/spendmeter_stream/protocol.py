"""One chunk, exactly once: the order of the steps, and what each of them guarantees.

A chunk is one contiguous range of offsets of one partition. docs/exactly-once.md argues why the order holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import pyarrow as pa

from spendmeter_clickhouse import Session
from spendmeter_stream.block import Coordinates, days_of
from spendmeter_stream.confirm import confirm
from spendmeter_stream.dead_letters import DeadLetters, DeadLetterSource
from spendmeter_stream.dedup import SeenIds, not_yet_stored, stored_at
from spendmeter_stream.fence import Fence
from spendmeter_stream.gate import Gate
from spendmeter_stream.intents import Intent, OffsetRange, insert_token, write_intent
from spendmeter_stream.replay import with_landed_rows
from spendmeter_stream.retry import until_it_works
from spendmeter_stream.validate import Rejected, Validated, validate
from spendmeter_stream.wire import Events

T = TypeVar("T")

EXACTLY_ONCE: Final = {
    "async_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # The views have grouped their rows already: to merge them once more on the way in finds nothing to add up.
    "optimize_on_insert": 0,
}
STEPS: Final = ("validate", "dead_letter", "dedup", "build", "intent", "fence", "gate", "insert")
"""Of every chunk; "confirm" follows where the insert was not acknowledged at once."""


@dataclass(frozen=True, slots=True)
class Guarantees:
    """The steps that can be left out, to measure what each costs and to prove that each is needed."""

    dedup: bool = True
    intent: bool = True
    fence: bool = True
    token: bool = True
    view_dedup: bool = True
    confirm: bool = True


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition, in order, covering `offsets`."""

    records: Sequence[DeadLetterSource]
    offsets: OffsetRange
    recovers: Intent | None = None
    """What an earlier owner wrote down of it; None for a chunk that begins here."""

    @property
    def replay(self) -> bool:
        """Whether an earlier owner began it."""
        return self.recovers is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a chunk's records."""

    stored: int
    duplicates: int
    rejected: list[Rejected]


@dataclass(slots=True, kw_only=True)
class ChunkProtocol:
    """Runs the chunks of one partition through the steps, one chunk at a time."""

    fence: Fence
    coordinates: Coordinates
    seen: SeenIds
    store: Session
    dead_letters: DeadLetters
    cpu: Executor
    build: Callable[[Events, Coordinates], pa.Table]
    max_future: timedelta
    guarantees: Guarantees = field(default_factory=Guarantees)
    reached: Callable[[str], None] | None = None
    """Called with `before:STEP` and `after:STEP`. The fault harness kills the process there."""
    _gate: Gate = field(init=False)
    _sent: int = field(init=False, default=0)
    """How often the block was sent."""

    def __post_init__(self) -> None:
        self._gate = Gate(store=self.store, coordinates=self.coordinates, fence=self.fence)

    async def run(self, chunk: Chunk) -> Outcome:
        """Take `chunk` through the protocol.

        :raises PartitionLostError: another worker owns the partition; it goes on from what we wrote down.
        """
        # 1. Every record is an event or a dead letter, and the dead letters are safe before anything counts.
        # A recovery decides as its first owner did: a clock that moved on would accept other records.
        decided_at = chunk.recovers.decided_at if chunk.recovers else datetime.now(UTC)
        validated = await self._step("validate", lambda: self._validate(chunk, decided_at))
        if validated.rejected:
            await self._step("dead_letter", lambda: self._dead_letter(chunk, validated.rejected))
        # 2. No event is in the store under other coordinates, or twice in this chunk.
        events = await self._step("dedup", lambda: self._dedup(chunk, validated.events))
        outcome = Outcome(
            stored=len(events),
            duplicates=len(validated.events) - len(events),
            rejected=validated.rejected,
        )
        if not len(events):
            # Nothing to insert, so nothing to replay: the chunk is closed at once.
            await self._step("fence", lambda: self.fence.commit(chunk.offsets.end))
            return outcome
        # 3. Whoever owns the partition after this knows where the block ends, and rows that landed stay as they are.
        block = await self._step("build", lambda: self._build(chunk, events))
        if self.guarantees.intent:
            await self._step("intent", lambda: self._write_intent(chunk, block, decided_at))
        # 4. The group's coordinator refuses a stale generation: a zombie stops here, before it inserts.
        if self.guarantees.fence:
            await self._step("fence", lambda: self.fence.commit(chunk.offsets.start))
        # 5. No command replaces rollups while we insert, and we insert nothing while one does.
        await self._step("gate", lambda: self._gate.pass_through(chunk.offsets.start, replay=chunk.replay))
        # 6. A retry sends the same rows and token: what landed is skipped, what did not is completed, views included.
        self._sent = 0
        await self._step("insert", lambda: self._insert(chunk, block))
        # 7. A store that was killed meanwhile may know the token and not have the rows.
        if self.guarantees.confirm and (chunk.replay or self._sent > 1):
            await self._step("confirm", lambda: confirm(self.store, block, self.coordinates, chunk.offsets))
        # 8. The next chunk's fence closes this one.
        self.seen.add(events)
        return outcome

    async def _validate(self, chunk: Chunk, now: datetime) -> Validated:
        return await self._off_loop(lambda: validate(chunk.records, now=now, max_future=self.max_future))

    async def _dead_letter(self, chunk: Chunk, rejected: Sequence[Rejected]) -> None:
        records = {record.offset: record for record in chunk.records}
        await self.dead_letters.send([(records[why.offset], why) for why in rejected])

    async def _dedup(self, chunk: Chunk, events: Events) -> Events:
        if not self.guarantees.dedup:
            return events
        doubtful = await self._off_loop(lambda: self.seen.doubtful(events))
        stored = await stored_at(self.store, events.take(doubtful)) if doubtful else {}
        # Our own replay keeps what it stored itself, so that the block is the same; a normal chunk drops it:
        # the group was moved back by hand, and its token may be forgotten.
        ours = self.coordinates if chunk.replay else None
        return await self._off_loop(lambda: not_yet_stored(events, stored, ours=ours))

    async def _build(self, chunk: Chunk, events: Events) -> pa.Table:
        block = await self._off_loop(lambda: self.build(events, self.coordinates))
        if chunk.replay:
            block = await with_landed_rows(self.store, block, self.coordinates, chunk.offsets)
        return block

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
        self._sent += 1
        settings = dict(EXACTLY_ONCE)
        if not self.guarantees.view_dedup:
            settings["deduplicate_blocks_in_dependent_materialized_views"] = 0
        token = insert_token(self.coordinates, chunk.offsets) if self.guarantees.token else ""
        await self.store.insert_arrow("usage_events", block, settings={**settings, "insert_deduplication_token": token})

    async def _step(self, name: str, attempt: Callable[[], Awaitable[T]]) -> T:
        self._reached(f"before:{name}")
        result = await until_it_works(name, attempt)
        self._reached(f"after:{name}")
        return result

    def _reached(self, point: str) -> None:
        if self.reached is not None:
            self.reached(point)

    async def _off_loop(self, function: Callable[[], T]) -> T:
        # The thread takes the interpreter lock from the loop, but gives it back every few milliseconds.
        return await asyncio.get_running_loop().run_in_executor(self.cpu, function)
