"""The usage topic is deleted and recreated while a worker runs: every event of both epochs is stored once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from spendmeter_clickhouse import Store
from spendmeter_events.topics import USAGE
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.kafka.topic_identity import read_topic_id
from spendmeter_stream.settings import StreamSettings
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.jars import KafkaUnavailable
from tests.support.kafka.raw import RawRecord, batch, client, produce
from tests.support.kafka.topic import admin_client
from tests.support.protocols import ingest_without
from tests.support.records import record
from tests.support.required import do_without
from tests.support.worker import count, stream_settings, working

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

BEFORE = 40


@pytest.fixture
def own_kafka(tmp_path: Path) -> Any:
    """Yield a broker for this test only, because its usage topic is deleted."""
    try:
        broker = ApacheKafka(folder=tmp_path)
    except KafkaUnavailable as missing:
        do_without(missing)
    broker.start()
    yield broker
    broker.kill()


async def send(settings: StreamSettings, org: str, numbers: Sequence[int]) -> None:
    """Append to partition 0, so that the offsets of both epochs overlap."""
    raw = [RawRecord(key=it.key, value=it.value) for it in (record(n, org_id=org) for n in numbers)]
    while True:
        sender = client(settings.connection())
        try:
            await sender.bootstrap()
            await produce(sender, USAGE, batch(raw))
            return
        except KafkaError:
            # The new topic has no leader yet; nothing was appended.
            await asyncio.sleep(0.1)
        finally:
            await sender.close()


async def replace_topic(settings: StreamSettings) -> None:
    connection = settings.connection()
    former = await read_topic_id(connection, USAGE)
    async with admin_client(connection) as admin:
        await admin.delete_topics([USAGE])
    while True:
        try:
            if await read_topic_id(connection, USAGE) not in (former, None):
                return
            await asyncio.sleep(0.01)
        except UnknownTopicOrPartitionError:
            await ensure_topics(settings.client_options(), usage_partitions=settings.usage_partitions)


async def stored(store: Store, org: str, events: int) -> None:
    for _ in range(300):
        if await count(store, org) >= events:
            break
        await asyncio.sleep(0.2)
    assert await count(store, org) == events


@pytest.mark.parametrize("after", [10, BEFORE, 90], ids=["fewer", "as many", "more"])
async def test_a_topic_that_is_replaced_under_a_worker_loses_nothing(own_kafka: Any, store: Store, after: int) -> None:
    org = f"replaced-{after}"
    first = 1_000_000 * after
    settings = stream_settings(own_kafka.connection, group=f"group-{org}", usage_partitions=1, chunk_records=10)
    async with working(settings, store):
        await send(settings, org, range(first, first + BEFORE))
        await stored(store, org, BEFORE)
        await replace_topic(settings)
        await send(settings, org, range(first + 1000, first + 1000 + after))
        await stored(store, org, BEFORE + after)
        await send(settings, org, range(first + 2000, first + 2010))
        await stored(store, org, BEFORE + after + 10)
    async with working(settings, store):
        await send(settings, org, range(first + 3000, first + 3010))
        await stored(store, org, BEFORE + after + 20)


async def test_without_the_guard_chunks_of_the_new_topic_are_lost(own_kafka: Any, store: Store) -> None:
    settings = stream_settings(own_kafka.connection, group="group-unguarded", usage_partitions=1, chunk_records=10)
    async with working(settings, store, ingest_type=ingest_without("epoch")):
        await send(settings, "unguarded", range(7_000_000, 7_000_000 + BEFORE))
        await stored(store, "unguarded", BEFORE)
        await replace_topic(settings)
        await send(settings, "unguarded", range(7_001_000, 7_001_000 + BEFORE))
        await asyncio.sleep(10)
        assert await count(store, "unguarded") < 2 * BEFORE
