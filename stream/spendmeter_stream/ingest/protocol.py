"""One chunk, exactly once: the order of the steps, and what each of them guarantees.

A chunk is one contiguous range of offsets of one partition. docs/exactly-once.md argues why the order holds.
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
    # The views have grouped their rows already: to merge them once more on the way in finds nothing to add up.
    "optimize_on_insert": 0,
}
FENCE_SECONDS: Final = 60.0
"""An insert that is sent later than this after the fence is fenced once more."""
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
    decision: bool = True
    """A recovery validates with the time of the first decision."""
    token_age: bool = True
    """A recovery looks which rows landed before it trusts a token that may be forgotten."""
    expired: bool = True
    """A recovery whose records are gone reconciles what landed."""
    orphans: bool = True
    """A worker that starts makes the days of chunks suspect that nobody recovers."""
    group: bool = True
    """A worker of a second group is refused."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition, in order, covering `offsets`."""

    records: Sequence[DeadLetterSource]
    offsets: OffsetRange
    recovers: Intent | None = None
    """What an earlier owner wrote down of it; None for a chunk that begins here."""
    expired: bool = False
    """Whether the broker no longer has all of its records."""

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


@dataclass(frozen=True, slots=True)
class _Made:
    """A chunk's block, and how many of its rows were in raw events before."""

    block: pa.Table
    landed: int = 0


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
    _gate: BarrierWaiter = field(init=False)
    _sent: int = field(init=False, default=0)
    """How often the block was sent."""
    _fenced_at: float = field(init=False, default=0.0)
    """When the coordinator last agreed that the partition is ours."""

    def __post_init__(self) -> None:
        self._gate = BarrierWaiter(store=self.store, coordinates=self.coordinates, fence=self.fence)

    async def run(self, chunk: Chunk) -> Outcome:
        """Take `chunk` through the protocol.

        :raises PartitionLostError: another worker owns the partition; it goes on from what we wrote down.
        """
        refused: dict[int, Rejected] = {}
        while True:
            try:
                return await self._run(chunk, refused)
            except UnprocessableError as error:
                # Raised before the intent, so the chunk may begin again without these records.
                refused |= error.rejected

    async def _run(self, chunk: Chunk, refused: Mapping[int, Rejected]) -> Outcome:
        # 1. Every record is an event or a dead letter, and the dead letters are safe before anything counts.
        decided_at = self._decided_at(chunk)
        validated = await self._step("validate", lambda: self._validate(chunk, decided_at, refused))
        if validated.rejected:
            await self._step("dead_letter", lambda: self._dead_letter(chunk, validated.rejected))
        # 2. No event is in the store under other coordinates, or twice in this chunk.
        events = await self._step("dedup", lambda: self._dedup(chunk, validated.events))
        outcome = Outcome(
            stored=len(events),
            duplicates=len(validated.events) - len(events),
            rejected=validated.rejected,
        )
        if len(events) or (chunk.recovers and self.guarantees.expired):
            # 3. Rows of an earlier owner that landed stay as they are.
            made = await self._step("build", lambda: self._build(chunk, events))
            if made.block.num_rows:
                await self._store(chunk, made, decided_at)
                # The next chunk's fence closes this one.
                self.seen.add(events)
                return outcome
            # Its records are gone, and so are its rows, if it had any; some may have reached a rollup.
            await self._step("suspect", lambda: self._suspect(chunk))
        # Nothing to insert, so nothing to recover: the chunk is closed at once.
        await self._step("fence", lambda: self.fence.commit(chunk.offsets.end))
        return outcome

    async def _store(self, chunk: Chunk, made: _Made, decided_at: datetime) -> None:
        """Steps 4 to 7: whoever owns the partition after the first of them knows where the block ends."""
        block = made.block
        if self.guarantees.intent:
            await self._step("intent", lambda: self._write_intent(chunk, block, decided_at))
        # 4. The group's coordinator refuses a stale generation: a zombie stops here, before it inserts.
        if self.guarantees.fence:
            await self._step("fence", lambda: self.fence.commit(chunk.offsets.start))
        # 5. No command replaces rollups while we insert, and we insert nothing while one does.
        await self._step("gate", lambda: self._gate.pass_through(chunk.offsets.start, replay=chunk.replay))
        # 6. A retry sends the same rows and token: what landed is skipped, what did not is completed, views included.
        #    A recovery sends nothing where the token may be forgotten and rows have landed.
        todo = await self._step("complete", lambda: self._completion(chunk, made)) if chunk.recovers else SEND
        self._sent = 0
        self._fenced_at = time.monotonic()
        if todo.insert:
            await self._step("insert", lambda: self._insert(chunk, block))
        # 7. A store that was killed meanwhile may know the token and not have the rows.
        if self.guarantees.confirm and (chunk.replay or self._sent > 1):
            look = partial(confirm, self.store, block, self.coordinates, chunk.offsets, suspect=todo.suspect)
            await self._step("confirm", look)

    def _decided_at(self, chunk: Chunk) -> datetime:
        # A recovery decides as the first owner did: by now, other records may be too far in the future no more.
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
        # A recovery looks them all up: memory has nothing of copies that were removed as surplus.
        every = list(range(len(events)))
        possible_duplicates = every if chunk.replay else await self._off_loop(lambda: self._doubtful(chunk, events))
        stored = await lookup_coordinates(self.store, events.take(possible_duplicates)) if possible_duplicates else {}
        # Our own replay keeps what it stored itself, so that the block is the same; a normal chunk drops it:
        # the group was moved back by hand, and its token may be forgotten.
        ours = self.coordinates if chunk.replay else None
        return await self._off_loop(lambda: drop_duplicates(events, stored, ours=ours))

    def _doubtful(self, chunk: Chunk, events: Events) -> list[int]:
        """The rows of `events` that may be stored: by memory, and because another partition may have their copies."""
        keys = {record.offset: record.key for record in chunk.records}
        foreign = [
            row
            for row, (key, offset) in enumerate(zip(events.keys, events.offsets, strict=True))
            if keys[offset] != key
        ]
        return sorted({*self.seen.possible_duplicates(events), *foreign})

    async def _build(self, chunk: Chunk, events: Events) -> _Made:
        def build(rows: Sequence[int]) -> pa.Table:
            return self.build(events.take(list(rows)), self.coordinates)

        block = await self._off_loop(lambda: isolating(events.offsets, build))
        if chunk.recovers is None:
            return _Made(block)
        days = chunk.recovers.days if self.guarantees.expired else ()
        landed = await landed_rows(self.store, block, self.coordinates, chunk.offsets, days=days)
        return _Made(completed(block, landed), landed.num_rows)

    async def _completion(self, chunk: Chunk, made: _Made) -> Completion:
        if chunk.recovers is None or not self.guarantees.token_age:
            return SEND
        expired = chunk.expired and self.guarantees.expired
        return await completion(self.store, chunk.recovers, made.block, landed=made.landed, expired=expired)

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
        # The token stops a zombie only while the store remembers it, and who was frozen does not know for how long.
        if self.guarantees.fence and time.monotonic() - self._fenced_at > FENCE_SECONDS:
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
        # The thread takes the interpreter lock from the loop, but gives it back every few milliseconds.
        return await asyncio.get_running_loop().run_in_executor(self.cpu, function)
