"""The usage topic as commands see it: its topic id, and the committed offsets of the group that fills the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from spendmeter_events.topics import USAGE
from spendmeter_stream.journal.open_chunks import BegunChunk, still_open
from spendmeter_stream.kafka.committed import committed_offset
from spendmeter_stream.kafka.coordinator import wait_for_named_brokers
from spendmeter_stream.kafka.topic_id import find_topic_id
from spendmeter_stream.settings import StreamSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The usage topic with one topic id, and its consumer group."""

    topic_id: str
    committed: Callable[[], Awaitable[Mapping[int, int]]]
    """Returns partition → committed offset of the group. Every chunk below it is stored completely."""
    group: str = ""
    """The name of the group; empty to skip the ownership check."""
    partitions: Callable[[], Awaitable[Collection[int]]] | None = None
    """Returns the topic's current partitions; None if unavailable."""


@asynccontextmanager
async def open_stream(settings: StreamSettings) -> AsyncIterator[Stream]:
    """Connect to the brokers of `settings` without joining the group.

    :raises SetupError: the topic has no id; :raises KafkaError: no broker is reachable, or the topic does not exist.
    """
    wait_for_named_brokers()
    topic_id = await find_topic_id(settings)
    # A consumer, because not every broker supports the admin request for group offsets.
    consumer = AIOKafkaConsumer(**settings.client_options(), group_id=settings.group, enable_auto_commit=False)
    await consumer.start()

    async def committed() -> dict[int, int]:
        found = {
            partition.partition: await committed_offset(consumer, partition, topic_id=topic_id)
            for partition in consumer.assignment()
        }
        return {partition: offset for partition, offset in found.items() if offset is not None}

    async def partitions() -> Collection[int]:
        # A consumer does not refresh metadata of topics that it has not subscribed to.
        found: Collection[int] | None = (await consumer._client.fetch_all_metadata()).partitions_for_topic(USAGE)
        if not found:
            raise UnknownTopicOrPartitionError(USAGE)
        return found

    try:
        consumer.assign([TopicPartition(USAGE, number) for number in await partitions()])
        # Only offsets are read. Otherwise the consumer prefetches events, which an operator may not be allowed to read.
        consumer.pause(*consumer.assignment())
        yield Stream(topic_id=topic_id, committed=committed, group=settings.group, partitions=partitions)
    finally:
        await consumer.stop()


async def open_chunks(stream: Stream, chunks: Iterable[BegunChunk]) -> list[BegunChunk]:
    """Return those of `chunks`, the newest per partition, that are open.

    No worker closes a chunk of a partition that no longer exists: `orphans.py` handles it.
    """
    found = still_open(chunks, await stream.committed())
    if not found or stream.partitions is None:
        return found
    # Read last, so that it includes partitions added meanwhile.
    partitions = await stream.partitions()
    return [chunk for chunk in found if chunk.partition in partitions]
