"""Whether the records of a partition still belong to the topic epoch under whose id they are stored.

A consumer notices nothing when the topic is deleted and created again: it fetches from its old offset, and gets the
records of the new topic as soon as there are enough of them. So the id is compared after every fetch that is used.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.errors import NodeNotReadyError, UnknownTopicOrPartitionError

from spendmeter_stream.errors import TopicReplacedError
from spendmeter_stream.kafka.topic_identity import request_topic_id


class TopicEpoch:
    """One partition's. `read` before the first fetch, then `verify` after each fetch."""

    def __init__(self, *, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        self._partition = partition
        # aiokafka has no public name for it; the version is pinned.
        self._client: Any = consumer._client
        self._id: UUID | None = None

    async def read(self) -> UUID | None:
        """Return the topic's id and keep it; None where the broker has no topic ids.

        :raises KafkaError: the topic does not exist, or no broker answers; ask again.
        """
        self._id = await self._ask()
        return self._id

    async def verify(self) -> None:
        """Compare the topic's id with the one that was read. One small request.

        :raises TopicReplacedError: the topic was deleted or replaced, and what was fetched may be of either epoch.
        :raises KafkaError: no broker answers; ask again.
        """
        if self._id is None:
            return
        try:
            found = await self._ask()
        except UnknownTopicOrPartitionError:
            raise TopicReplacedError(self._partition.partition, "the topic was deleted") from None
        if found != self._id:
            raise TopicReplacedError(self._partition.partition, f"the topic was created again, with the id {found}")

    async def _ask(self) -> UUID | None:
        # The leader: it serves our fetches, and applies metadata before it opens the log of a new topic.
        node = self._client.cluster.leader_for_partition(self._partition)
        if node is None or node == -1:
            node = self._client.get_random_node()
        if node is None:
            raise NodeNotReadyError("the cluster names no broker")
        # Not the connection of the fetches, where the answer would wait behind a long poll.
        return await request_topic_id(self._client, node, self._partition.topic, group=ConnectionGroup.COORDINATION)
