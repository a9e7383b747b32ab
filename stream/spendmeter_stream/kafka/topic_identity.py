"""Read the topic id that a broker assigns at creation. A recreated topic of the same name has a new id.

aiokafka (0.14) supports Metadata requests up to version 5. Topic ids need version 10 (KIP-516, Kafka 2.8), so this
module defines that request and its response.
Source: clients/src/main/resources/common/message/Metadata{Request,Response}.json of Apache Kafka.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final
from uuid import UUID

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import IncompatibleBrokerVersion, for_code
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from spendmeter_events.connection import KafkaConnection

_NO_ID: Final = UUID(int=0)
_TIMEOUT_S: Final = 10.0


async def read_topic_id(connection: KafkaConnection, topic: str, *, timeout_s: float = _TIMEOUT_S) -> UUID | None:
    """Return the topic id, or None if the broker has no topic ids (before Kafka 2.8). Does not create the topic.

    Raises `aiokafka.errors.KafkaError`: `UnknownTopicOrPartitionError` if the topic does not exist,
    `KafkaConnectionError` if no broker is reachable.
    """
    client = AIOKafkaClient(request_timeout_ms=int(timeout_s * 1000), **connection.client_options())
    try:
        await client.bootstrap()
        return await request_topic_id(client, client.get_random_node(), topic)
    finally:
        await client.close()


async def request_topic_id(
    client: AIOKafkaClient, node: int, topic: str, *, group: ConnectionGroup = ConnectionGroup.DEFAULT
) -> UUID | None:
    """The same over a connection of `client` to broker `node`."""
    try:
        answer = await client.send(node, _MetadataRequest(topic), group=group)
    except (IncompatibleBrokerVersion, NotImplementedError):
        # aiokafka raises these if the broker does not support this version of the request.
        return None
    ((code, _, found, *_),) = answer.topics
    if code:
        raise for_code(code)(topic)
    return found if found != _NO_ID else None


class _Uuid(AbstractType[UUID]):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class _MetadataResponse_v10(Response):  # type: ignore[misc]  # noqa: N801 - as in aiokafka
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString()),
                ("port", Int32),
                ("rack", CompactString()),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString()),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequest_v10(RequestStruct):  # type: ignore[misc]  # noqa: N801 - as in aiokafka
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponse_v10
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", CompactString()), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequest_v10]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[Any]) -> Any:
        return request_struct_class([(_NO_ID, self._topic, {})], False, False, False, {})
