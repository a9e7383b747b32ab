"""Where a chunk waits while a command holds the ingest: after its fence, before anything of it is sent."""

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
    """One partition's. Read after the intent is written, so that a pause and an intent never miss each other."""

    def __init__(self, *, store: Session, coordinates: Coordinates, fence: Fence) -> None:
        self._store = store
        self._coordinates = coordinates
        self._fence = fence
        self._fenced_at = 0
        """How many pauses there had been when we last proved that the partition is ours."""

    async def pass_through(self, start: int, *, replay: bool) -> None:
        """Return when the chunk at `start` may be inserted.

        :param replay: an earlier owner may have sent some of the chunk, so a pause waits until we completed it;
            unless that owner was itself held at this gate.
        :raises PartitionLostError: the partition has another owner. Whatever was frozen here through a pause ends so.
        """
        paused_by: set[UUID] = set()
        while True:
            pauses = await read_barriers(self._store)
            if pauses.asked != self._fenced_at:
                await self._fence.commit(start)
                self._fenced_at = pauses.asked
                continue
            if pauses.expired:
                log.warning("a pause of the ingest ran out: the command that asked for it is too slow, or gone")
                await release_barriers(self._store, pauses.expired)
            for pause in pauses.active - paused_by:
                if not replay or await self._was_paused(pause, start):
                    await write_paused_chunk(self._store, pause, self._coordinates, start, self._fence.generation)
                    paused_by.add(pause)
            if not paused_by & pauses.active:
                if paused_by:
                    # We waited, and may have lost the partition meanwhile.
                    await self._fence.commit(start)
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _was_paused(self, pause: UUID, start: int) -> bool:
        held = await read_paused_chunks(self._store, pause, self._coordinates.topic_id)
        return any((it.partition, it.start) == (self._coordinates.partition, start) for it in held)
