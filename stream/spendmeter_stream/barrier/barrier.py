"""Holds the ingest for a moment in which nothing is in flight. docs/verify.md argues why that is certain."""

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
    """A pause that every worker keeps."""

    session: Session
    pause: UUID = field(default_factory=uuid4)

    async def ensure_kept(self) -> None:
        """Raise `BarrierError` if workers have stopped waiting: what was read since may be torn."""
        pauses = await read_barriers(self.session)
        if self.pause not in pauses.active | pauses.expired:
            raise BarrierError("the pause ran out before the work was done: give it more seconds (--barrier-seconds)")


@asynccontextmanager
async def ingest_barrier(
    session: Session, stream: Stream, *, reason: str, seconds: int, pause: UUID | None = None
) -> AsyncIterator[IngestBarrier]:
    """Ask for a pause, wait until every partition is closed or held, and end the pause afterwards.

    :param seconds: how long workers wait at most, even if this process dies. Half of it may pass until all are held.
    :raises BarrierError: another command holds the ingest or appends to it, a chunk stays open, or `stream`
        is of a group that does not fill the store.
    """
    await _ensure_its_group(session, stream)
    hold = IngestBarrier(session, pause or uuid4())
    try:
        await request_barrier(session, hold.pause, reason=reason, seconds=seconds)
        pauses = await read_barriers(session)
        if pauses.active - {hold.pause}:
            raise BarrierError("another command holds the ingest: try again when it is done")
        # It asks for its lease before it looks for pauses, as we ask before we look for its lease.
        if until := await repricing_until(session):
            raise BarrierError(f"a repricing appends events until {until:%H:%M:%S} UTC or longer: try again after it")
        await release_barriers(session, pauses.expired)
        await _until_quiet(hold, stream, seconds=seconds / 2)
        yield hold
    finally:
        await asyncio.shield(release_barriers(session, [hold.pause]))


async def _ensure_its_group(session: Session, stream: Stream) -> None:
    """The offsets of another group say nothing of what is in flight: a chunk could pass for closed."""
    owner = await owning_group(session)
    if stream.group and owner is not None and owner != stream.group:
        raise BarrierError(f"the store is filled by consumer group {owner!r}: set SPENDMETER_GROUP={owner}")


async def _until_quiet(hold: IngestBarrier, stream: Stream, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while in_flight := await _in_flight(hold, stream):
        if time.monotonic() > deadline:
            chunks = ", ".join(str(chunk) for chunk in in_flight[:5])
            raise BarrierError(
                f"open for {seconds:.0f} s: {chunks}. A worker has to close it: is one running, of this version,"
                " and does it not stand still (spendmeter_partition_stopped)?"
            )
        await asyncio.sleep(_POLL_SECONDS)


async def _in_flight(hold: IngestBarrier, stream: Stream) -> list[BegunChunk]:
    # In this order. An owner that took over reads the holds after it wrote its intent: so either it sees the hold
    # that we see here, and waits too, or we see its intent, whose generation nobody has held yet.
    held = await read_paused_chunks(hold.session, hold.pause, stream.topic_id)
    chunks = await newest_chunks(hold.session, stream.topic_id)
    opened = await open_chunks(stream, chunks)
    return [chunk for chunk in opened if not _is_paused(chunk, held)]


def _is_paused(chunk: BegunChunk, held: set[PausedChunk]) -> bool:
    return PausedChunk(chunk.partition, chunk.start, chunk.generation) in held
