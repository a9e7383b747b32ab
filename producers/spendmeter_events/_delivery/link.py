"""The producer's connection to the cluster.

Why not `AIOKafkaProducer`: it retries on its own schedule, cannot be stopped while the broker is unreachable, and
discards its sequence numbers with the connection. `AIOKafkaClient` sends single requests, so that `loop.py` controls
back-off, deadlines and idempotent retries across reconnects.
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

# Errors of a request without a broker's response; a closed client also raises ValueError and KeyError.
TRANSPORT_ERRORS: Final = (KafkaError, OSError, TimeoutError, ValueError, KeyError)


class ProducerId(NamedTuple):
    """Producer id and epoch that the broker assigned to an idempotent producer."""

    number: int
    epoch: int


class Link:
    """Connection opened with `await Link.open(...)`; each request takes at most `timeout_s`."""

    def __init__(self, *, client: Any, topic: str, timeout_s: float) -> None:
        self._client = client
        self._topic = topic
        self._timeout_s = timeout_s

    @classmethod
    async def open(cls, connection: KafkaConnection, *, topic: str, timeout_s: float) -> Self:
        """Connect to any bootstrap server. Raises `KafkaConnectionError` if none responds."""
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
        # The client's timeout applies to each broker; this one to all of them together.
        async with asyncio.timeout(2 * self._timeout_s):
            updated = await self._client.force_metadata_update()
        if not updated:
            raise KafkaConnectionError("no broker responded to a metadata request")

    def partitions(self) -> list[int]:
        """Return the partitions as of the last refresh. Raises `UnknownTopicOrPartitionError` if there are none."""
        known = self._client.cluster.partitions_for_topic(self._topic)
        if not known:
            raise UnknownTopicOrPartitionError(self._topic)
        return sorted(known)

    async def producer_id(self) -> ProducerId:
        """Request a producer id. Raises the broker's error or a transport error."""
        request = InitProducerIdRequest(None, _NO_TRANSACTION_TIMEOUT_MS)
        response = await self._client.send(self._client.get_random_node(), request)
        if (error := error_for(response.error_code)) is not None:
            raise error
        return ProducerId(response.producer_id, response.producer_epoch)

    async def produce(self, payloads: Mapping[int, bytes]) -> dict[int, Exception | None]:
        """Send one record batch per partition, in one request per leader.

        Return the error of each partition; None if every in-sync replica has the batch.
        """
        outcome: dict[int, Exception | None] = {}
        by_leader: dict[int, dict[int, bytes]] = defaultdict(dict)
        for partition, payload in payloads.items():
            leader = self._client.cluster.leader_for_partition(TopicPartition(self._topic, partition))
            if leader is None or leader < 0:
                outcome[partition] = LeaderNotAvailableError()
            else:
                by_leader[leader][partition] = payload
        responses = await asyncio.gather(*(self._request(node, part) for node, part in by_leader.items()))
        for response in responses:
            outcome.update(response)
        return outcome

    async def _request(self, node: int, payloads: Mapping[int, bytes]) -> dict[int, Exception | None]:
        request = ProduceRequest(
            transactional_id=None,
            required_acks=_ACKS_ALL,
            timeout=int(self._timeout_s * 1000),
            topics=[(self._topic, list(payloads.items()))],
        )
        try:
            response = await self._client.send(node, request)
        except TRANSPORT_ERRORS as error:
            return dict.fromkeys(payloads, error)
        # A partition that is missing in the response is not acknowledged.
        outcome: dict[int, Exception | None] = dict.fromkeys(
            payloads, KafkaError("the response has no result for this partition")
        )
        for _, partitions in response.topics:
            # Partition and error code come first in every version of the response.
            for partition, code, *_ in partitions:
                outcome[partition] = error_for(code)
        return outcome

    async def close(self) -> None:
        """Close the sockets. Requests in flight fail with `KafkaConnectionError`."""
        await self._client.close()
