"""The stream that fills a store, as commands see it: which life of the topic it is, and how far the group has come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from spendmeter_events.topics import USAGE
from spendmeter_stream.journal.open_chunks import BegunChunk, still_open
from spendmeter_stream.kafka.coordinator import wait_for_named_brokers
from spendmeter_stream.kafka.topic_id import find_topic_id
from spendmeter_stream.settings import StreamSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One life of the usage topic, and its consumer group."""

    topic_id: str
    committed: Callable[[], Awaitable[Mapping[int, int]]]
    """Partition → offset that the group has committed now; every chunk below it is stored whole."""
    group: str = ""
    """The group's name; empty where it does not matter."""
    partitions: Callable[[], Awaitable[Collection[int]]] | None = None
    """The partitions that the topic has now; None where nobody can ask."""


@asynccontextmanager
async def open_stream(settings: StreamSettings) -> AsyncIterator[Stream]:
    """Ask the brokers of `settings`, without joining the group.

    :raises SetupError: the life of the topic has no name; :raises KafkaError: no broker answers, or has no usage topic.
    """
    wait_for_named_brokers()
    topic_id = await find_topic_id(settings)
    # A consumer, because not every broker answers the admin request for a group's offsets.
    consumer = AIOKafkaConsumer(**settings.client_options(), group_id=settings.group, enable_auto_commit=False)
    await consumer.start()

    async def committed() -> dict[int, int]:
        found = {partition.partition: await consumer.committed(partition) for partition in consumer.assignment()}
        return {partition: offset for partition, offset in found.items() if offset is not None}

    async def partitions() -> Collection[int]:
        # Of a topic that it does not follow a consumer learns nothing by itself.
        found: Collection[int] | None = (await consumer._client.fetch_all_metadata()).partitions_for_topic(USAGE)
        if not found:
            raise UnknownTopicOrPartitionError(USAGE)
        return found

    try:
        consumer.assign([TopicPartition(USAGE, number) for number in await partitions()])
        yield Stream(topic_id=topic_id, committed=committed, group=settings.group, partitions=partitions)
    finally:
        await consumer.stop()


async def open_chunks(stream: Stream, chunks: Iterable[BegunChunk]) -> list[BegunChunk]:
    """Those of `chunks`, the newest of their partitions, that a worker has yet to close.

    A chunk of a partition that the topic has no more is closed by nobody: `orphans.py` looks after it.
    """
    found = still_open(chunks, await stream.committed())
    if not found or stream.partitions is None:
        return found
    # Asked only now, so that a partition added meanwhile is among them.
    partitions = await stream.partitions()
    return [chunk for chunk in found if chunk.partition in partitions]
