"""What a broker keeps across a restart, and its listeners. Kafka and Tansu differ, so each has its own tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from spendmeter_events import KafkaConnection
from spendmeter_stream.kafka.topic_identity import read_topic_id
from tests.support.kafka import zombie
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.tansu import Tansu
from tests.support.kafka.topic import create_topic, read_topic
from tests.support.until import until


async def _fill(connection: KafkaConnection, topic: str, count: int) -> list[int]:
    """Append `count` records, and return their offsets."""
    producer = AIOKafkaProducer(acks="all", **connection.client_options())
    await producer.start()
    try:
        return [(await producer.send_and_wait(topic, b"%d" % number)).offset for number in range(count)]
    finally:
        await producer.stop()


def _member(connection: KafkaConnection, topic: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(topic, group_id=f"g-{topic}", **zombie.GROUP_OPTIONS, **connection.client_options())


@pytest.mark.kafka
@pytest.mark.slow
async def test_kafka_restart_keeps_records_offsets_and_topic_id(kafka: ApacheKafka) -> None:
    topic = await create_topic(kafka.connection)
    await _fill(kafka.connection, topic, 5)
    identity = await read_topic_id(kafka.connection, topic)
    partition = TopicPartition(topic, 0)
    async with _member(kafka.connection, topic) as consumer:
        await until(lambda: partition in consumer.assignment())
        await consumer.commit({partition: 3})

    kafka.kill()
    await asyncio.to_thread(kafka.start)

    assert await read_topic_id(kafka.connection, topic) == identity
    assert len(await read_topic(kafka.connection, topic, count=5)) == 5
    async with _member(kafka.connection, topic) as consumer:
        assert (await consumer.getone()).offset == 3


async def test_tansu_restart_forgets_everything(fresh_tansu: Tansu) -> None:
    """Tansu has no storage: after a restart the topic does not exist, and a new one has another id."""
    topic = await create_topic(fresh_tansu.connection)
    assert await _fill(fresh_tansu.connection, topic, 5) == [0, 1, 2, 3, 4]
    identity = await read_topic_id(fresh_tansu.connection, topic)

    fresh_tansu.kill()
    fresh_tansu.start()

    with pytest.raises(UnknownTopicOrPartitionError):
        await read_topic_id(fresh_tansu.connection, topic)
    await create_topic(fresh_tansu.connection, name=topic)
    assert await read_topic_id(fresh_tansu.connection, topic) not in (None, identity)
    assert await _fill(fresh_tansu.connection, topic, 1) == [0]


def test_tansu_listens_on_loopback_alone(tansu: Tansu) -> None:
    """Given our settings, then no other machine can connect; by default, it listens on all interfaces."""
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].rpartition(":")[2], 16) == tansu.port
    ]
    assert listening == [f"0100007F:{tansu.port:04X}"]
