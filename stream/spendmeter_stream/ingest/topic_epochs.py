"""Track the topic epoch. Each assignment reads the topic id; a new id flags the days of orphaned chunks as suspect."""

from __future__ import annotations

import logging
from uuid import UUID

from spendmeter_clickhouse import Session
from spendmeter_stream.errors import PartitionStoppedError
from spendmeter_stream.journal.orphans import suspect_orphans

log = logging.getLogger(__name__)


class TopicEpochs:
    """The topic epoch of one worker. `topic_id` identifies it in stored rows."""

    def __init__(self, *, topic_id: str, configured: bool, session: Session) -> None:
        self.topic_id = topic_id
        self._configured = configured
        self._session = session
        self._broker_id: UUID | None = None

    async def suspect_orphans(self) -> None:
        """Flag chunks that earlier epochs left partly stored.

        :raises StoreError: the store failed; call it again.
        """
        await suspect_orphans(self._session, topic_id=self.topic_id)

    async def enter(self, found: UUID | None) -> str:
        """Return the topic id to store for the broker's id `found`.

        :raises PartitionStoppedError: the topic id is configured, but the broker's id has changed.
        :raises StoreError: the store failed; call it again.
        """
        former = self._broker_id or found
        if self._configured:
            if found != former:
                raise PartitionStoppedError(
                    "the usage topic was recreated, but SPENDMETER_TOPIC_ID is unchanged:"
                    " stop all workers, set it to a new value, and start them"
                )
        elif found is not None and found.hex != self.topic_id:
            log.warning("usage topic recreated: its id changed from %s to %s", self.topic_id, found.hex)
            self.topic_id = found.hex
            await self.suspect_orphans()
        self._broker_id = found
        return self.topic_id
