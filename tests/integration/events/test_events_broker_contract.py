"""The features of a broker that Spendmeter needs, tested on each broker of the test suite.

If Tansu lacks a feature, the test asserts its actual behaviour: when a newer Tansu has the feature, the test fails, and
the work-around can be removed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, OffsetAndMetadata, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    IllegalGenerationError,
    InvalidConfigurationError,
    KafkaError,
    MessageSizeTooLargeError,
    NoError,
    TopicAlreadyExistsError,
    UnknownError,
    UnknownMemberIdError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.commit import OffsetCommitRequest

from spendmeter_stream.kafka.topic_identity import read_topic_id
from tests.support.brokers import Broker
from tests.support.kafka import zombie
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.tansu import Tansu
from tests.support.kafka.topic import admin_client, create_topic, read_topic
from tests.support.until import until


@asynccontextmanager
async def _producing(broker: Broker, **options: object) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**{"acks": "all", **options}, **broker.connection.client_options())
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def _in_group(broker: Broker, topic: str, group: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(topic, group_id=group, **zombie.GROUP_OPTIONS, **broker.connection.client_options())
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _fill(broker: Broker, topic: str, count: int, *, partition: int = 0) -> None:
    async with _producing(broker) as producer:
        for number in range(count):
            await producer.send_and_wait(topic, b"%d" % number, partition=partition)


async def _fill_in_batches(broker: Broker, topic: str, *, batches: int, records: int, partition: int) -> None:
    async with _producing(broker) as producer:
        for _ in range(batches):
            batch = producer.create_batch()
            for number in range(records):
                batch.append(key=None, value=b"%d" % number, timestamp=None)
            await (await producer.send_batch(batch, topic, partition=partition))


async def _commit_as(
    broker: Broker, group: str, topic: str, *, generation: int, member: str, offset: int
) -> type[KafkaError]:
    """Send one OffsetCommit request as a member of that generation, and return the broker's response."""
    client = AIOKafkaClient(**broker.connection.client_options())
    await client.bootstrap()
    try:
        node = await client.coordinator_lookup(CoordinationType.GROUP, group)
        request = OffsetCommitRequest(group, generation, member, -1, [(topic, [(0, offset, "")])])
        answer = await client.send(node, request, group=ConnectionGroup.COORDINATION)
    finally:
        await client.close()
    ((_, ((_, code),)),) = answer.topics
    error: type[KafkaError] = for_code(code)
    return error


async def test_keys_values_headers_and_times_come_back(broker: Broker) -> None:
    topic = await create_topic(broker.connection, partitions=2)
    headers = [("reason", b"not JSON"), ("attempt", b"1"), ("attempt", b"2"), ("empty", b"")]
    async with _producing(broker, compression_type="lz4") as producer:
        await producer.send_and_wait(
            topic, b"\x00value\xff", key=bytes(range(16)), headers=headers, timestamp_ms=1_700_000_000_123
        )
        await producer.send_and_wait(topic, None, key=b"gone", partition=0)

    by_key = {record.key: record for record in await read_topic(broker.connection, topic, count=2)}
    first = by_key[bytes(range(16))]
    assert (first.value, list(first.headers), first.timestamp_ms) == (
        b"\x00value\xff",
        headers,
        1_700_000_000_123,
    )
    assert by_key[b"gone"].value is None


async def test_record_of_five_megabytes(broker: Broker) -> None:
    """Kafka rejects it at the default limit of 1 MiB and accepts it at 8 MiB (the limit of the
    dead-letter topic). Tansu has no limit and accepts both."""
    usual = await create_topic(broker.connection)
    wide = await create_topic(broker.connection, config={"max.message.bytes": str(8 * 2**20)})
    value = os.urandom(5_000_000)
    async with _producing(broker, max_request_size=8 * 2**20) as producer:
        if isinstance(broker, ApacheKafka):
            with pytest.raises(MessageSizeTooLargeError):
                await producer.send_and_wait(usual, value)
        else:
            await producer.send_and_wait(usual, value)
        await producer.send_and_wait(wide, value)
    assert [record.value for record in await read_topic(broker.connection, wide, count=1)] == [value]


async def test_committed_offset_is_where_the_next_member_starts(broker: Broker) -> None:
    """Tansu loses the metadata of a commit; nothing may be kept there."""
    topic = await create_topic(broker.connection)
    await _fill(broker, topic, 10)
    partition = TopicPartition(topic, 0)
    async with _in_group(broker, topic, f"g-{topic}") as consumer:
        await until(lambda: partition in consumer.assignment())
        assert await consumer.committed(partition) is None
        await consumer.commit({partition: OffsetAndMetadata(4, "note")})
        assert await consumer.committed(partition) == 4
        stored = await consumer._coordinator.fetch_committed_offsets([partition])  # noqa: SLF001
        assert stored[partition].metadata == ("note" if broker.name == "kafka" else "")
    async with _in_group(broker, topic, f"g-{topic}") as consumer:
        record = await consumer.getone()
        assert record.offset == 4


async def test_commit_of_a_stale_generation_is_refused(broker: Broker) -> None:
    """The fence of the chunk protocol: a member of an older generation, or one that was removed from the
    group, cannot commit. Without a generation (-1), a commit is accepted only by an empty group."""
    topic = await create_topic(broker.connection)
    group = f"g-{topic}"
    async with _in_group(broker, topic, group) as consumer:
        await until(lambda: len(consumer.assignment()) == 1)
        coordinator = consumer._coordinator  # noqa: SLF001 - aiokafka has no public way
        old, member = coordinator.generation, coordinator.member_id
        async with _in_group(broker, topic, group):
            await until(lambda: coordinator.generation > old)

            async def answer(generation: int, member: str) -> type[KafkaError]:
                return await _commit_as(broker, group, topic, generation=generation, member=member, offset=5)

            assert await answer(old, member) is IllegalGenerationError
            assert await answer(coordinator.generation, "a-stranger") is UnknownMemberIdError
            assert await answer(-1, "") is UnknownMemberIdError
            assert await consumer.committed(TopicPartition(topic, 0)) is None
    assert await answer(-1, "") is NoError


@pytest.mark.slow
async def test_zombie_cannot_commit(broker: Broker) -> None:
    """Given a member frozen past its session whose partition was reassigned, when it resumes and commits, then
    aiokafka raises `CommitFailedError` (from `UnknownMemberIdError`), and the other's commit remains."""
    topic = await create_topic(broker.connection)
    group = f"g-{topic}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, zombie.__file__, broker.connection.bootstrap_servers, topic, group),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"assigned\n"
        process.send_signal(signal.SIGSTOP)
        async with _in_group(broker, topic, group) as heir:
            await until(lambda: len(heir.assignment()) == 1)
            await heir.commit({TopicPartition(topic, 0): 9})

            process.send_signal(signal.SIGCONT)
            process.stdin.write(b"commit\n")

            assert await process.stdout.readline() == b"CommitFailedError UnknownMemberIdError\n"
            assert await heir.committed(TopicPartition(topic, 0)) == 9
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_idempotent_producer(broker: Broker) -> None:
    """Tansu lacks it: InitProducerId returns UNKNOWN_SERVER_ERROR."""
    topic = await create_topic(broker.connection)
    if isinstance(broker, Tansu):
        with pytest.raises(UnknownError):
            async with _producing(broker, enable_idempotence=True):
                pass
        return
    async with _producing(broker, enable_idempotence=True) as producer:
        assert (await producer.send_and_wait(topic, b"once")).offset == 0


async def test_topic_is_created_with_its_config(broker: Broker) -> None:
    """Tansu stores the configuration without checking it."""
    config = {"cleanup.policy": "compact", "max.message.bytes": "8388608", "retention.ms": "86400000"}
    topic = await create_topic(broker.connection, partitions=3, config=config)
    async with admin_client(broker.connection) as admin:
        (description,) = await admin.describe_topics([topic])
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    assert sorted(partition["partition"] for partition in description["partitions"]) == [0, 1, 2]
    found = {name: value for name, value, *_ in answer.resources[0][4]}
    assert config.items() <= found.items()
    with pytest.raises(TopicAlreadyExistsError):
        await create_topic(broker.connection, name=topic)
    if broker.name == "kafka":
        with pytest.raises(InvalidConfigurationError):
            await create_topic(broker.connection, config={"retention.ms": "a week"})


async def test_a_recreated_topic_has_a_new_topic_id(broker: Broker) -> None:
    """Given a topic that is deleted and recreated, then its id changes, like its offsets."""
    name = await create_topic(broker.connection)
    first = await read_topic_id(broker.connection, name)
    assert first is not None
    assert await read_topic_id(broker.connection, name) == first
    other = await create_topic(broker.connection)
    assert await read_topic_id(broker.connection, other) != first

    async with admin_client(broker.connection) as admin:
        await admin.delete_topics([name])
    with pytest.raises(UnknownTopicOrPartitionError):  # noqa: PT012
        while True:  # the controller informs the broker a moment later
            await read_topic_id(broker.connection, name)

    await create_topic(broker.connection, name=name)
    again = await read_topic_id(broker.connection, name)
    assert again not in (None, first)


@pytest.mark.slow
async def test_group_shares_partitions_and_takes_over(broker: Broker) -> None:
    topic = await create_topic(broker.connection, partitions=4)
    group = f"g-{topic}"
    async with _in_group(broker, topic, group) as stays:
        await until(lambda: len(stays.assignment()) == 4)
        async with _in_group(broker, topic, group) as leaves:
            await until(lambda: len(stays.assignment()) == len(leaves.assignment()) == 2)
            assert stays.assignment() | leaves.assignment() == {TopicPartition(topic, at) for at in range(4)}
        await until(lambda: len(stays.assignment()) == 4)


async def test_seek_and_high_water(broker: Broker) -> None:
    """`highwater` after a fetch is exact on both, so the worker computes its lag from it. Tansu's `end_offsets`
    is the start of the last batch instead of its end."""
    topic = await create_topic(broker.connection, partitions=2)
    await _fill_in_batches(broker, topic, batches=3, records=5, partition=1)
    partition = TopicPartition(topic, 1)
    consumer = AIOKafkaConsumer(**broker.connection.client_options())
    await consumer.start()
    try:
        consumer.assign([partition])
        consumer.seek(partition, 7)
        assert (await consumer.getone(partition)).offset == 7
        assert consumer.highwater(partition) == 15
        consumer.seek(partition, 2)
        assert [(await consumer.getone(partition)).offset for _ in range(2)] == [2, 3]
        await consumer.seek_to_beginning(partition)
        assert (await consumer.getone(partition)).offset == 0
        assert await consumer.beginning_offsets([partition]) == {partition: 0}
        end = (await consumer.end_offsets([partition]))[partition]
        assert end == 15 if broker.name == "kafka" else end < 15
    finally:
        await consumer.stop()
