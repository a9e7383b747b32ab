"""The topic epochs of a worker's life: each assignment reads the current one, and a new one makes orphans suspect."""

from __future__ import annotations

import logging
from uuid import UUID

from spendmeter_clickhouse import Session
from spendmeter_stream.errors import PartitionStoppedError
from spendmeter_stream.journal.orphans import suspect_orphans

log = logging.getLogger(__name__)


class TopicEpochs:
    """One worker's. `topic_id` names the epoch in the store."""

    def __init__(self, *, topic_id: str, configured: bool, session: Session, orphans: bool) -> None:
        self.topic_id = topic_id
        self._configured = configured
        self._session = session
        self._orphans = orphans
        self._broker_id: UUID | None = None

    async def suspect_orphans(self) -> None:
        """Make what former epochs left half stored suspect, unless that is left out.

        :raises StoreError: the store failed; call it again.
        """
        if self._orphans:
            await suspect_orphans(self._session, topic_id=self.topic_id)

    async def enter(self, found: UUID | None) -> str:
        """Return the name of the epoch with the broker's id `found`.

        :raises PartitionStoppedError: its name is configured, and was another epoch's before.
        :raises StoreError: the store failed; call it again.
        """
        former = self._broker_id or found
        if self._configured:
            if found != former:
                raise PartitionStoppedError(
                    "the usage topic was created again under the same SPENDMETER_TOPIC_ID:"
                    " stop all workers, set it to another word, start them"
                )
        elif found is not None and found.hex != self.topic_id:
            log.warning("the usage topic was created again: its id was %s and is %s", self.topic_id, found.hex)
            self.topic_id = found.hex
            await self.suspect_orphans()
        self._broker_id = found
        return self.topic_id
