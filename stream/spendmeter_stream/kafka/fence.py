"""The fence: a commit in the name of the generation in which the partition became ours, and of no other.

aiokafka's own `commit` speaks for whatever generation the consumer is in at that moment. A worker that was frozen,
lost its partition, rejoined and got it back would pass with a chunk from its former life; one that has just reset
its membership would pass as a stranger to an empty group. So the request is made here, with what was true then.
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
    """Commits offsets of one partition for as long as the group agrees that it is ours. Make it on assignment."""

    def __init__(self, *, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        self._partition = partition
        # aiokafka has no public names for these; the version is pinned, and the contract tests hold them.
        self._coordinator = consumer._coordinator
        self.generation: int = self._coordinator.generation
        self._member: str = self._coordinator.member_id

    async def commit(self, offset: int) -> None:
        """Commit `offset`.

        :raises PartitionLostError: the partition has another owner, or is about to.
        :raises KafkaError: the coordinator could not be asked; ask again.
        """
        await self._coordinator.ensure_coordinator_known()
        answer = await self._coordinator._send_req(
            OffsetCommitRequest(
                self._coordinator.group_id,
                self.generation,
                self._member,
                OffsetCommitRequest.DEFAULT_RETENTION_TIME,
                [(self._partition.topic, [(self._partition.partition, offset, "")])],
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
        raise error(f"partition {self._partition.partition}: the commit of {offset} was refused")
