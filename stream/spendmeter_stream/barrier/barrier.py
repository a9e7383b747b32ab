"""Command side of the ingest barrier: wait until no chunk is in flight. docs/verify.md proves the protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

from spendmeter_clickhouse import Session
from spendmeter_stream.barrier.requests import (
    PausedChunk,
    read_barriers,
    read_paused_chunks,
    release_barriers,
    request_barrier,
)
from spendmeter_stream.errors import BarrierError
from spendmeter_stream.journal.group_owner import owning_group
from spendmeter_stream.journal.open_chunks import BegunChunk, newest_chunks
from spendmeter_stream.journal.repricing import repricing_until
from spendmeter_stream.kafka.group_position import Stream, open_chunks

_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class IngestBarrier:
    """An active barrier: no worker inserts."""

    session: Session
    id: UUID = field(default_factory=uuid4)

    async def ensure_active(self) -> None:
        """Raise `BarrierError` if workers have resumed: rows read since may be inconsistent."""
        barriers = await read_barriers(self.session)
        if self.id not in barriers.active | barriers.expired:
            raise BarrierError("the ingest barrier expired before the work was done; raise --barrier-seconds")


@asynccontextmanager
async def ingest_barrier(
    session: Session, stream: Stream, *, reason: str, seconds: int, barrier_id: UUID | None = None
) -> AsyncIterator[IngestBarrier]:
    """Request a barrier, wait until every partition is closed or paused, and release the barrier on exit.

    :param seconds: how long workers pause at most, even if this process dies. Half of it may be spent waiting for them.
    :raises BarrierError: another barrier or a repricing is active, a chunk stays open, or `stream` belongs to a
        consumer group that does not fill the store.
    """
    await _ensure_group_owns_store(session, stream)
    barrier = IngestBarrier(session, barrier_id or uuid4())
    try:
        await request_barrier(session, barrier.id, reason=reason, seconds=seconds)
        barriers = await read_barriers(session)
        if barriers.active - {barrier.id}:
            raise BarrierError("another command has an active ingest barrier; try again when it has finished")
        # A repricing writes its lease before it reads barriers, and we write our barrier before we read leases.
        if until := await repricing_until(session):
            raise BarrierError(f"a repricing appends events until at least {until:%H:%M:%S} UTC; try again after it")
        await release_barriers(session, barriers.expired)
        await _quiesce(barrier, stream, seconds=seconds / 2)
        yield barrier
    finally:
        await asyncio.shield(release_barriers(session, [barrier.id]))


async def _ensure_group_owns_store(session: Session, stream: Stream) -> None:
    """Reject another group: by its offsets, a chunk in flight could look closed."""
    owner = await owning_group(session)
    if stream.group and owner is not None and owner != stream.group:
        raise BarrierError(f"the store is filled by consumer group {owner!r}: set SPENDMETER_GROUP={owner}")


async def _quiesce(barrier: IngestBarrier, stream: Stream, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while in_flight := await _in_flight(barrier, stream):
        if time.monotonic() > deadline:
            chunks = ", ".join(str(chunk) for chunk in in_flight[:5])
            raise BarrierError(
                f"chunk still open after {seconds:.0f} s: {chunks}. Check that a worker of this version is running and"
                " that its partition is not stopped (spendmeter_partition_stopped)."
            )
        await asyncio.sleep(_POLL_SECONDS)


async def _in_flight(barrier: IngestBarrier, stream: Stream) -> list[BegunChunk]:
    # The order matters. A new owner reads paused chunks after it has written its intent: either it sees the pause that
    # we see here, and pauses too, or we see its intent, whose generation has not paused yet.
    paused = await read_paused_chunks(barrier.session, barrier.id, stream.topic_id)
    chunks = await newest_chunks(barrier.session, stream.topic_id)
    opened = await open_chunks(stream, chunks)
    return [chunk for chunk in opened if not _is_paused(chunk, paused)]


def _is_paused(chunk: BegunChunk, paused: set[PausedChunk]) -> bool:
    return PausedChunk(chunk.partition, chunk.start, chunk.generation) in paused
