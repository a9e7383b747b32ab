"""Detect that the topic was recreated between the fetch of records and their insert.

A consumer does not detect a recreated topic: it continues at its old offset once the new log is long enough. So the
id is compared after every fetch whose records are stored.
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
    """The topic epoch of one partition. Call `read` before the first fetch and `verify` after each."""

    def __init__(self, *, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        self._partition = partition
        # Private attribute: aiokafka has no public one, and its version is pinned.
        self._client: Any = consumer._client
        self._id: UUID | None = None

    async def read(self) -> UUID | None:
        """Return the topic's id and keep it; None where the broker has no topic ids.

        :raises KafkaError: the topic does not exist, or no broker responds; retry.
        """
        self._id = await self._ask()
        return self._id

    async def verify(self) -> None:
        """Compare the topic's id with the one that was read. One small request.

        :raises TopicReplacedError: the topic was deleted or replaced, and fetched records may belong to either epoch.
        :raises KafkaError: no broker responds; retry.
        """
        if self._id is None:
            return
        try:
            found = await self._ask()
        except UnknownTopicOrPartitionError:
            raise TopicReplacedError(self._partition.partition, "the topic was deleted") from None
        if found != self._id:
            raise TopicReplacedError(self._partition.partition, f"the topic was recreated with id {found}")

    async def _ask(self) -> UUID | None:
        # The leader: it serves our fetches, and applies metadata before it opens the log of a new topic.
        node = self._client.cluster.leader_for_partition(self._partition)
        if node is None or node == -1:
            node = self._client.get_random_node()
        if node is None:
            raise NodeNotReadyError("the cluster metadata lists no broker")
        # Not the connection of the fetches, where the answer would wait behind a long poll.
        return await request_topic_id(self._client, node, self._partition.topic, group=ConnectionGroup.COORDINATION)
