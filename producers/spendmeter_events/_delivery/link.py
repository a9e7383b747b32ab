"""The producer's connection to the cluster, from opening to closing.

Why not `AIOKafkaProducer`: it retries in its own time, cannot be stopped while the broker is away, and
forgets sequence numbers with the connection. `AIOKafkaClient` gives one request and one answer, so that
back-off, deadlines and idempotent retries across reconnects are ours (`_delivery.py`).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.structs import TopicPartition

from spendmeter_events._delivery.verdict import error_for
from spendmeter_events.connection import KafkaConnection

_ACKS_ALL: Final = -1
_NO_TRANSACTION_TIMEOUT_MS: Final = 2**31 - 1

# What a request may end in besides a broker's answer; a closed client raises more than its own errors.
TRANSPORT_ERRORS: Final = (KafkaError, OSError, TimeoutError, ValueError, KeyError)


class ProducerId(NamedTuple):
    """What the broker gave an idempotent producer."""

    number: int
    epoch: int


class Link:
    """Open with `await Link.open(...)`; each request is bounded by `timeout_s`."""

    def __init__(self, *, client: Any, topic: str, timeout_s: float) -> None:
        self._client = client
        self._topic = topic
        self._timeout_s = timeout_s

    @classmethod
    async def open(cls, connection: KafkaConnection, *, topic: str, timeout_s: float) -> Self:
        """Connects to any bootstrap server. Raises `KafkaConnectionError` when none answers."""
        client = AIOKafkaClient(request_timeout_ms=int(timeout_s * 1000), **connection.client_options())
        link = cls(client=client, topic=topic, timeout_s=timeout_s)
        try:
            await client.bootstrap()
            client.set_topics([topic])
            await link.refresh()
        except BaseException:
            await link.close()
            raise
        return link

    async def refresh(self) -> None:
        """Refresh the topic's partitions and leaders."""
        # The client's own timeout is for each broker; this one is for all of them.
        async with asyncio.timeout(2 * self._timeout_s):
            updated = await self._client.force_metadata_update()
        if not updated:
            raise KafkaConnectionError("no broker answers a metadata request")

    def partitions(self) -> list[int]:
        """The topic's partitions as last seen. Raises `UnknownTopicOrPartitionError` where there are none."""
        known = self._client.cluster.partitions_for_topic(self._topic)
        if not known:
            raise UnknownTopicOrPartitionError(self._topic)
        return sorted(known)

    async def producer_id(self) -> ProducerId:
        """Raises the broker's error, or a transport error."""
        request = InitProducerIdRequest(None, _NO_TRANSACTION_TIMEOUT_MS)
        answer = await self._client.send(self._client.get_random_node(), request)
        if (error := error_for(answer.error_code)) is not None:
            raise error
        return ProducerId(answer.producer_id, answer.producer_epoch)

    async def produce(self, payloads: Mapping[int, bytes]) -> dict[int, Exception | None]:
        """Sends one record batch a partition, one request a leader; per partition the error, or None when
        every in-sync replica has it."""
        outcome: dict[int, Exception | None] = {}
        by_leader: dict[int, dict[int, bytes]] = defaultdict(dict)
        for partition, payload in payloads.items():
            leader = self._client.cluster.leader_for_partition(TopicPartition(self._topic, partition))
            if leader is None or leader < 0:
                outcome[partition] = LeaderNotAvailableError()
            else:
                by_leader[leader][partition] = payload
        answers = await asyncio.gather(*(self._request(node, part) for node, part in by_leader.items()))
        for answer in answers:
            outcome.update(answer)
        return outcome

    async def _request(self, node: int, payloads: Mapping[int, bytes]) -> dict[int, Exception | None]:
        request = ProduceRequest(
            transactional_id=None,
            required_acks=_ACKS_ALL,
            timeout=int(self._timeout_s * 1000),
            topics=[(self._topic, list(payloads.items()))],
        )
        try:
            answer = await self._client.send(node, request)
        except TRANSPORT_ERRORS as error:
            return dict.fromkeys(payloads, error)
        # A partition that the answer leaves out is not acknowledged.
        outcome: dict[int, Exception | None] = dict.fromkeys(payloads, KafkaError("no answer for this partition"))
        for _, partitions in answer.topics:
            # Partition and error code come first in every version of the answer.
            for partition, code, *_ in partitions:
                outcome[partition] = error_for(code)
        return outcome

    async def close(self) -> None:
        """Closes the sockets. Requests under way end in `KafkaConnectionError`."""
        await self._client.close()
