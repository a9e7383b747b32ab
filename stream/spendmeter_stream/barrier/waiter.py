"""Worker side of the ingest barrier: a chunk pauses after its fence and before its insert."""

from __future__ import annotations

import asyncio
import logging
from typing import Final
from uuid import UUID

from spendmeter_clickhouse import Session
from spendmeter_stream.barrier.requests import read_barriers, read_paused_chunks, release_barriers, write_paused_chunk
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.kafka.fence import Fence

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.1


class BarrierWaiter:
    """Pauses the chunks of one partition. Runs after the intent is written, so that a barrier never misses a chunk."""

    def __init__(self, *, store: Session, coordinates: Coordinates, fence: Fence) -> None:
        self._store = store
        self._coordinates = coordinates
        self._fence = fence
        self._barriers_at_fence = 0
        """How many barriers had been requested when the coordinator last accepted our fence."""

    async def pass_through(self, start: int, *, recovery: bool) -> None:
        """Wait until the chunk at `start` may be inserted.

        :param recovery: an earlier owner may have sent part of the chunk, so it passes active barriers and is completed
            first, unless that owner was itself paused here.
        :raises PartitionLostError: the partition has another owner. A worker frozen during a barrier ends up here.
        """
        paused_by: set[UUID] = set()
        while True:
            barriers = await read_barriers(self._store)
            if barriers.requested != self._barriers_at_fence:
                await self._fence.commit(start)
                self._barriers_at_fence = barriers.requested
                continue
            if barriers.expired:
                log.warning(
                    "ingest barrier expired: the command that requested it crashed or took too long; ingest resumes"
                )
                await release_barriers(self._store, barriers.expired)
            for barrier in barriers.active - paused_by:
                if not recovery or await self._was_paused(barrier, start):
                    await write_paused_chunk(self._store, barrier, self._coordinates, start, self._fence.generation)
                    paused_by.add(barrier)
            if not paused_by & barriers.active:
                if paused_by:
                    # The partition may have been reassigned during the wait.
                    await self._fence.commit(start)
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _was_paused(self, barrier: UUID, start: int) -> bool:
        paused = await read_paused_chunks(self._store, barrier, self._coordinates.topic_id)
        return any((chunk.partition, chunk.start) == (self._coordinates.partition, start) for chunk in paused)
