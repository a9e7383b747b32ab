"""The fence: an offset commit with the generation and member id under which the partition was assigned.

aiokafka's `commit` uses the consumer's current generation. A worker that was frozen, lost its partition, rejoined and
got it back could commit a chunk of its earlier assignment; a consumer that has just reset its membership could commit
to an empty group without a member id. This module sends the request itself, with the values of the assignment.
"""

from __future__ import annotations

from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    IllegalGenerationError,
    NotCoordinatorForGroupError,
    RebalanceInProgressError,
    RequestTimedOutError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.protocol.commit import OffsetCommitRequest

from spendmeter_stream.errors import PartitionLostError

_LOST: Final = (IllegalGenerationError, UnknownMemberIdError, RebalanceInProgressError)
_MOVED: Final = (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError, RequestTimedOutError)


class Fence:
    """Commits offsets of one partition while its assignment is valid. Create it on assignment."""

    def __init__(self, *, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        self._partition = partition
        # Private attributes of aiokafka: the version is pinned, and contract tests cover them.
        self._coordinator = consumer._coordinator
        self.generation: int = self._coordinator.generation
        self._member: str = self._coordinator.member_id
        self.topic_id = ""
        """Written with each offset, so that no worker resumes at it in another topic epoch."""

    async def commit(self, offset: int) -> None:
        """Commit `offset`.

        :raises PartitionLostError: the partition was reassigned, or a rebalance is in progress.
        :raises KafkaError: the coordinator did not accept the request; retry.
        """
        await self._coordinator.ensure_coordinator_known()
        answer = await self._coordinator._send_req(
            OffsetCommitRequest(
                self._coordinator.group_id,
                self.generation,
                self._member,
                OffsetCommitRequest.DEFAULT_RETENTION_TIME,
                [(self._partition.topic, [(self._partition.partition, offset, self.topic_id)])],
            )
        )
        ((_, ((_, code),)),) = answer.topics
        if code == 0:
            return
        error = for_code(code)
        if error in _LOST:
            raise PartitionLostError(f"partition {self._partition.partition}: {error.__name__}")
        if error in _MOVED:
            self._coordinator.coordinator_dead()
        raise error(f"partition {self._partition.partition}: the coordinator rejected the commit of offset {offset}")
