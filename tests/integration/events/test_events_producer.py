"""`UsageProducer` and `DirectoryPublisher` against real brokers."""

from __future__ import annotations

import asyncio
import random
import string
from contextlib import suppress
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAlreadyExistsError

from spendmeter_events import (
    DeliveryFailed,
    DirectoryPublisher,
    DropReason,
    KafkaConnection,
    OrgEntry,
    ProducerSettings,
    UsageEvent,
    UsageProducer,
    UserEntry,
)
from spendmeter_events.directory import directory_entry
from tests.support.brokers import Broker
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.process import free_port
from tests.support.kafka.tansu import Tansu
from tests.support.kafka.topic import create_topic, read_topic
from tests.support.until import until


def _event(number: int, **fields: Any) -> UsageEvent:
    return UsageEvent.now(
        **{
            "org_id": f"school-{number % 7}",
            "feature": "chat",
            "provider": "openai",
            "model": "gpt-4o",
            "input_tokens": number,
            **fields,
        }
    )


def _producer(connection: KafkaConnection, topic: str, **settings: Any) -> UsageProducer:
    quick: dict[str, Any] = {"retry_backoff_s": 0.05, "retry_backoff_max_s": 0.5, "request_timeout_s": 5.0}
    return UsageProducer(connection=connection, settings=ProducerSettings(topic=topic, **quick | settings))


async def test_every_event_arrives_once(broker: Broker) -> None:
    """Given 12 partitions, when 5,000 events are emitted in bursts, then each is stored once, unchanged."""
    topic = await create_topic(broker.connection, partitions=12)
    events = [_event(number) for number in range(5000)]

    async with _producer(broker.connection, topic) as producer:
        for number, event in enumerate(events):
            assert producer.emit(event)
            if number % 500 == 0:
                await asyncio.sleep(0.005)

    stored = await read_topic(broker.connection, topic, count=5000)
    assert {record.key: record.value for record in stored} == {event.key: event.to_json() for event in events}
    assert len(stored) == 5000
    assert len({record.partition for record in stored}) == 12
    stats = producer.stats
    assert (stats.accepted, stats.sent, stats.buffered, stats.lost) == (5000, 5000, 0, 0)
    assert stats.idempotent is (broker.name == "kafka"), "Tansu has no idempotent producer"


async def test_retry_by_another_client_meets_its_first_copy(broker: Broker) -> None:
    """Given our events, when aiokafka's producer sends the same keys, then the partitions are equal."""
    topic = await create_topic(broker.connection, partitions=7)
    events = [_event(number) for number in range(200)]
    async with _producer(broker.connection, topic) as producer:
        for event in events:
            producer.emit(event)

    async with AIOKafkaProducer(**broker.connection.client_options()) as other:
        for event in events:
            await other.send_and_wait(topic, key=event.key, value=event.to_json())

    partitions: dict[bytes | None, set[int]] = {}
    for record in await read_topic(broker.connection, topic, count=400):
        partitions.setdefault(record.key, set()).add(record.partition)
    assert len(partitions) == 200
    assert {len(found) for found in partitions.values()} == {1}


async def test_put_waits_for_room(broker: Broker) -> None:
    """Given a buffer of 100, when an importer puts 3,000 events, then it waits and none is dropped."""
    topic = await create_topic(broker.connection, partitions=3)
    async with _producer(broker.connection, topic, max_buffered_events=100, linger_ms=1) as producer:
        for number in range(3000):
            await producer.put(_event(number))
        await producer.flush()
        assert producer.stats.sent == 3000
    assert len(await read_topic(broker.connection, topic, count=3000)) == 3000


async def test_emit_from_a_foreign_thread(broker: Broker) -> None:
    topic = await create_topic(broker.connection)
    async with _producer(broker.connection, topic) as producer:
        await asyncio.to_thread(lambda: [producer.emit(_event(number)) for number in range(300)])
        await producer.flush()
    assert len(await read_topic(broker.connection, topic, count=300)) == 300


async def test_topic_that_comes_later(broker: Broker) -> None:
    """Given a service that starts before its topic exists, then its events wait for the topic."""
    name = "test-later-" + str(free_port())
    async with _producer(broker.connection, name) as producer:
        producer.emit(_event(1))
        await until(lambda: producer.stats.failed_attempts + producer.stats.sent > 0)
        if broker.name == "kafka":
            await create_topic(broker.connection, name=name, partitions=2)
        else:
            # Tansu creates a topic on the first metadata request, as Kafka does if this is enabled.
            pass
        await producer.flush()
    assert len(await read_topic(broker.connection, name, count=1)) == 1


@pytest.mark.kafka
async def test_record_that_the_broker_refuses_costs_only_itself(kafka: ApacheKafka) -> None:
    """Given a topic with a limit of 4 kB, when one of 200 events is larger (and does not compress), then 199 arrive.

    Tansu has no limit of this kind.
    """
    topic = await create_topic(kafka.connection, config={"max.message.bytes": "4000"})
    letters = random.Random(7)
    tags = {f"t{number}": "".join(letters.choices(string.printable[:94], k=256)) for number in range(16)}
    large = _event(7, tags=tags, error_message="x" * 500)
    async with _producer(kafka.connection, topic) as producer:
        for number in range(199):
            producer.emit(_event(number))
        producer.emit(large)
        await producer.flush()
        assert producer.stats.dropped == {DropReason.REFUSED: 1}
    stored = await read_topic(kafka.connection, topic, count=199)
    assert len({record.key for record in stored}) == len(stored) == 199


@pytest.mark.kafka
@pytest.mark.slow
async def test_broker_killed_and_restarted_loses_and_doubles_nothing(kafka: ApacheKafka) -> None:
    """Given a stream of events, when Kafka is killed with SIGKILL and restarts, then each is stored once: the
    retried batch has the same sequence number, so the broker recognises it."""
    topic = await create_topic(kafka.connection, partitions=4)
    producer = _producer(kafka.connection, topic, linger_ms=5)
    await producer.start()
    count = 0
    restarting: asyncio.Task[None] | None = None
    while restarting is None or not restarting.done():
        producer.emit(_event(count))
        count += 1
        if count == 2000:
            kafka.kill()
            restarting = asyncio.create_task(asyncio.to_thread(kafka.start))
        await asyncio.sleep(0.0005)
    await producer.flush()
    assert await producer.close() == 0

    stored = await read_topic(kafka.connection, topic, count=count)
    assert len({record.key for record in stored}) == len(stored) == count
    assert producer.stats.lost == 0
    assert producer.stats.failed_attempts > 0


async def test_frozen_broker_holds_up_neither_emit_nor_close(fresh_tansu: Tansu) -> None:
    """Given a broker that accepts connections and never responds, then `emit` continues, and `close` returns the
    number of unsent events without waiting for the response; after a thaw, a new producer sends."""
    topic = await create_topic(fresh_tansu.connection)
    producer = _producer(fresh_tansu.connection, topic, request_timeout_s=10_000.0)
    await producer.start()
    producer.emit(_event(0))
    await producer.flush()

    fresh_tansu.freeze()
    assert all(producer.emit(_event(number)) for number in range(1, 11))
    unsent = await producer.close(timeout=0.2)

    assert unsent == 10
    assert producer.stats.dropped == {DropReason.UNSENT: 10}
    fresh_tansu.thaw()
    async with _producer(fresh_tansu.connection, topic) as again:
        again.emit(_event(11))
    assert again.stats.sent == 1


async def test_memory_broker_that_forgot_its_topic(fresh_tansu: Tansu) -> None:
    """Given a Tansu that restarts empty, with another number of partitions, then buffered events are sent there.

    Tansu creates a requested topic with 4 partitions, here for the producer or for this test.
    """
    topic = await create_topic(fresh_tansu.connection, partitions=6)
    producer = _producer(fresh_tansu.connection, topic)
    await producer.start()
    producer.emit(_event(0))
    await producer.flush()

    fresh_tansu.kill()
    for number in range(1, 51):
        producer.emit(_event(number))
    await until(lambda: producer.stats.failed_attempts > 2)
    fresh_tansu.start()
    with suppress(TopicAlreadyExistsError):
        await create_topic(fresh_tansu.connection, name=topic, partitions=4)

    await producer.flush()
    assert await producer.close() == 0
    stored = await read_topic(fresh_tansu.connection, topic, count=50)
    assert {record.partition for record in stored} <= {0, 1, 2, 3}
    assert len({record.key for record in stored}) == 50


@pytest.mark.kafka
async def test_sasl_scram_over_tls(kafka: ApacheKafka) -> None:
    """Produce and consume through SASL/SCRAM-SHA-512 over TLS, with a check of the server's name."""
    topic = await create_topic(kafka.secure_connection, partitions=3)
    async with _producer(kafka.secure_connection, topic) as producer:
        for number in range(1000):
            producer.emit(_event(number))
    assert producer.stats.sent == 1000
    assert len(await read_topic(kafka.secure_connection, topic, count=1000)) == 1000
    async with DirectoryPublisher(connection=kafka.secure_connection, topic=topic) as directory:
        await directory.publish(OrgEntry(org_id="school-1"))


@pytest.mark.kafka
@pytest.mark.parametrize("fault", ["password", "authority", "plain"])
async def test_wrong_credentials_never_reach_the_caller(kafka: ApacheKafka, fault: str) -> None:
    """Given a wrong password, an unknown authority or no TLS, then events stay buffered and `close` counts them."""
    right = kafka.secure_connection
    wrong = {
        "password": KafkaConnection(
            bootstrap_servers=right.bootstrap_servers,
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username=right.sasl_username,
            sasl_password="wrong",
            ssl_cafile=right.ssl_cafile,
        ),
        "authority": KafkaConnection(
            bootstrap_servers=right.bootstrap_servers,
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username=right.sasl_username,
            sasl_password=right.sasl_password,
        ),
        "plain": KafkaConnection(bootstrap_servers=right.bootstrap_servers),
    }[fault]
    producer = _producer(wrong, "test-never", request_timeout_s=2.0)
    await producer.start()
    assert producer.emit(_event(1))
    await until(lambda: producer.stats.failed_attempts > 0)
    assert await producer.close(timeout=0.1) == 1
    assert producer.stats.last_error


async def test_directory_entries_are_acknowledged(broker: Broker) -> None:
    """Given an org and its users, when published, then they are in the topic, in the order of publication."""
    topic = await create_topic(broker.connection, config={"cleanup.policy": "compact"})
    entries: list[OrgEntry | UserEntry] = [
        OrgEntry(org_id="school-1", name="First", timezone="Asia/Kolkata", currency="INR"),
        *[UserEntry(org_id="school-1", user_id=f"u-{number}", role="student") for number in range(50)],
        OrgEntry(org_id="school-1", name="Renamed"),
    ]
    async with DirectoryPublisher(connection=broker.connection, topic=topic) as directory:
        await directory.publish(*entries)
        await directory.publish()

    stored = await read_topic(broker.connection, topic, count=52)
    assert [record.key for record in stored] == [entry.key for entry in entries]
    read = [directory_entry.validate_json(record.value or b"") for record in stored]
    assert [entry.model_dump_json() for entry in read] == [entry.model_dump_json() for entry in entries]


async def test_directory_publisher_reports_the_failure(fresh_tansu: Tansu) -> None:
    nowhere = KafkaConnection(bootstrap_servers=f"127.0.0.1:{free_port()}")
    with pytest.raises(DeliveryFailed, match="cannot connect to Kafka to publish the directory"):
        await DirectoryPublisher(connection=nowhere, timeout_s=2).start()
    publisher = DirectoryPublisher(connection=fresh_tansu.connection, timeout_s=2)
    with pytest.raises(DeliveryFailed, match="not started"):
        await publisher.publish(OrgEntry(org_id="x"))
    await publisher.start()
    fresh_tansu.kill()
    with pytest.raises(DeliveryFailed, match="not acknowledged"):
        await publisher.publish(OrgEntry(org_id="x"))
    await publisher.close()
    await publisher.close()
