"""The stream that fills a store, as commands see it: which life of the topic it is, and how far the group has come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from spendmeter_events.topics import USAGE
from spendmeter_stream.coordinator import wait_for_named_brokers
from spendmeter_stream.incarnation import find_incarnation
from spendmeter_stream.settings import StreamSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One life of the usage topic, and its consumer group."""

    incarnation: str
    committed: Callable[[], Awaitable[Mapping[int, int]]]
    """Partition → offset that the group has committed now; every chunk below it is stored whole."""


@asynccontextmanager
async def open_stream(settings: StreamSettings) -> AsyncIterator[Stream]:
    """Ask the brokers of `settings`, without joining the group.

    :raises SetupError: the life of the topic has no name; :raises KafkaError: no broker answers, or has no usage topic.
    """
    wait_for_named_brokers()
    incarnation = await find_incarnation(settings)
    # A consumer, because not every broker answers the admin request for a group's offsets.
    consumer = AIOKafkaConsumer(**settings.client_options(), group_id=settings.group, enable_auto_commit=False)
    await consumer.start()

    async def committed() -> dict[int, int]:
        found = {partition.partition: await consumer.committed(partition) for partition in consumer.assignment()}
        return {partition: offset for partition, offset in found.items() if offset is not None}

    try:
        # Of a topic that it does not follow a consumer learns nothing by itself.
        partitions = (await consumer._client.fetch_all_metadata()).partitions_for_topic(USAGE)
        if not partitions:
            raise UnknownTopicOrPartitionError(USAGE)
        consumer.assign([TopicPartition(USAGE, number) for number in partitions])
        yield Stream(incarnation=incarnation, committed=committed)
    finally:
        await consumer.stop()
