"""Helpers for tests: create a topic, and read all of its records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError, for_code

from spendmeter_events import KafkaConnection


class Stored(NamedTuple):
    """One record read from a broker."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int = 0


@asynccontextmanager
async def admin_client(connection: KafkaConnection) -> AsyncIterator[Any]:
    """Yield a connected admin client."""
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def create_topic(
    connection: KafkaConnection,
    *,
    name: str | None = None,
    partitions: int = 1,
    config: Mapping[str, str] | None = None,
) -> str:
    """Create the topic (by default with a unique name) and return its name when the broker has created it."""
    name = name or f"test-{uuid4().hex[:12]}"
    async with admin_client(connection) as admin:
        topic = NewTopic(name, partitions, 1, topic_configs=dict(config or {}))
        answer = await admin.create_topics([topic])
        for _, code, *_ in answer.topic_errors:
            if code:
                raise for_code(code)(name)
        # Apache Kafka's broker learns of the topic from its controller a moment later.
        while (await admin.describe_topics([name]))[0]["error_code"] == UnknownTopicOrPartitionError.errno:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return name


async def read_topic(connection: KafkaConnection, topic: str, *, count: int, attempts: int = 120) -> list[Stored]:
    """Return all records from the beginning: at least `count`, and those that arrive shortly after."""
    consumer = AIOKafkaConsumer(
        topic, auto_offset_reset="earliest", max_partition_fetch_bytes=8 * 2**20, **connection.client_options()
    )
    found: list[Stored] = []
    await consumer.start()
    try:
        for _ in range(attempts):
            fresh = await _poll(consumer)
            found += fresh
            if len(found) >= count and not fresh:
                return found
    finally:
        await consumer.stop()
    raise AssertionError(f"{len(found)} of {count} records after {attempts} polls")


async def _poll(consumer: AIOKafkaConsumer) -> list[Stored]:
    batches = await consumer.getmany(timeout_ms=500)
    await asyncio.sleep(0)
    return [
        Stored(record.partition, record.offset, record.key, record.value, record.headers, record.timestamp)
        for records in batches.values()
        for record in records
    ]
