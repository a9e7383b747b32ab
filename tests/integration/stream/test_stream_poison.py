"""One malformed record on each topic; transactions and retention on Apache Kafka."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from spendmeter_clickhouse import Store
from spendmeter_events import OrgEntry
from spendmeter_events.topics import ALERTS, DIRECTORY, PRICES, USAGE, USAGE_DLQ
from spendmeter_stream.dlq import Filter, RedrivePlan, dead_letters, redrive_dead_letters
from spendmeter_stream.guard.notify.alert_topic import AlertTopic
from spendmeter_stream.kafka.batches import open_reader
from spendmeter_stream.kafka.topic_admin import ensure_topics
from tests.integration.stream.test_stream_poison_fuzz import broken, skipped
from tests.support.kafka.raw import RawRecord, batch, client, produce
from tests.support.kafka.topic import admin_client
from tests.support.metrics import metric
from tests.support.records import record
from tests.support.until import until
from tests.support.worker import count, stream_settings, working

DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
ODD_HEADERS = [(b"\xff", b"x"), (b"n", None)]


async def send(connection: Any, topic: str, *raws: bytes) -> None:
    sender = client(connection)
    await sender.bootstrap()
    try:
        for raw in raws:
            await produce(sender, topic, raw)
    finally:
        await sender.close()


async def eventually(condition: Callable[[], Any]) -> None:
    for _ in range(1200):
        if await condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("waited in vain")


def org(org_id: str, **changes: Any) -> bytes:
    return json.dumps({**json.loads(OrgEntry(org_id=org_id, name=org_id).model_dump_json()), **changes}).encode()


async def test_a_bad_directory_entry_or_price_costs_no_other(fresh_tansu: Any, store: Store) -> None:
    settings = stream_settings(fresh_tansu.connection, group="poison-directory")
    options = settings.client_options()
    await ensure_topics(options, usage_partitions=1)
    bad = [
        org("bad", updated_at="9999-12-31T23:59:59-23:00"),
        org("bad", updated_at="2199-01-01T00:00:00Z"),
        org("bad", updated_at="0001-01-01T00:00:00+23:00"),
        org("bad", timezone="Mars/Olympus"),
        org("bad", timezone="localtime"),
        org("bad", name="\ud800"),
        b"\xef\xbb\xbf" + org("bad"),
        DEEP,
        b"\xff" * 40,
    ]
    entries = [RawRecord(key=b"k", value=value, headers=ODD_HEADERS) for value in bad]
    good = [RawRecord(key=b"g", value=org(f"poison-{number}"), timestamp=-1) for number in range(3)]
    prices = [DEEP, b"[]", b"{}", b'{"provider": 1e999}', b"\xff", b'{"provider": {"a": []}, "models": 7}']
    directory_before, prices_before = skipped(DIRECTORY), skipped(PRICES)
    await send(
        fresh_tansu.connection,
        DIRECTORY,
        batch([good[0], *entries[:5]], codec="zstd"),
        broken(good[0])["crc"],
        broken(good[0])["compression"],
        batch([good[1], RawRecord(), *entries[5:], good[2]], codec="lz4"),
    )
    rows = [RawRecord(key=f"row-{number}\xff".encode("latin1"), value=value) for number, value in enumerate(prices)]
    await send(fresh_tansu.connection, PRICES, batch([*rows, RawRecord(value=b"{}")]), broken(rows[0])["crc"])
    async with working(settings, store) as worker:
        assert skipped(PRICES) - prices_before == len(prices) + 1 + 3
        await until(lambda: {"poison-0", "poison-1", "poison-2"} <= worker.directory.orgs, attempts=18000)
        assert "bad" not in worker.directory.orgs
        await send(fresh_tansu.connection, USAGE, batch([RawRecord(key=record(1).key, value=record(1).value)]))
        await eventually(lambda: count(store, "school-1"))
        assert worker.health.failures() == {}
    assert skipped(DIRECTORY) - directory_before == len(bad) + 6


async def test_odd_dead_letters_are_listed_and_redriven(fresh_tansu: Any) -> None:
    settings = stream_settings(fresh_tansu.connection)
    await ensure_topics(settings.client_options(), usage_partitions=1)
    odd = RawRecord(value=b"{oops", headers=[(b"error_code", None), (b"attempts", None), (b"original.a", None)])
    strange = RawRecord(headers=[(b"error_code", b"\x1b[2J\xff"), (b"\xff", b"")], timestamp=2**62)
    await send(fresh_tansu.connection, USAGE_DLQ, batch([odd, strange]), broken(odd)["structure"], batch([odd]))
    letters = [letter async for letter in dead_letters(settings)]
    assert [(it.code, it.attempts) for it in letters] == [("unknown", 1), ("\ufffd[2J\ufffd", 1), ("unknown", 1)]
    outcome = await redrive_dead_letters(settings, RedrivePlan(filter=Filter(), per_second=1000))
    assert outcome.sent == 2
    reader = open_reader(USAGE, client_options=settings.client_options(), auto_offset_reset="earliest")
    await reader.start()
    try:
        found = [await reader.getone() for _ in range(2)]
    finally:
        await reader.stop()
    assert {it.value: it.headers for it in found} == {
        b"": (("attempts", b"1"),),
        b"{oops": (("a", None), ("attempts", b"1")),
    }


async def test_odd_alerts_are_left_out(fresh_tansu: Any) -> None:
    options = fresh_tansu.connection.client_options()
    await ensure_topics(options, usage_partitions=1)
    before = skipped(ALERTS)
    odd = [RawRecord(value=DEEP, headers=ODD_HEADERS), RawRecord(), RawRecord(value=b"{}", timestamp=2**62)]
    await send(fresh_tansu.connection, ALERTS, batch(odd), broken(odd[2])["crc"])
    assert await AlertTopic(client_options=options).newest() == []
    assert skipped(ALERTS) - before == 6


@pytest.mark.kafka
async def test_records_of_aborted_transactions_are_not_counted(kafka: Any, store: Store) -> None:
    settings = stream_settings(kafka.connection, group="poison-transactions", topic_id="transactions")
    await ensure_topics(settings.client_options(), usage_partitions=settings.usage_partitions)

    def events(first: int) -> Sequence[Any]:
        return [record(990_000_000 + first + number, org_id="transactions") for number in range(10)]

    producer = AIOKafkaProducer(**kafka.connection.client_options(), transactional_id="poison")
    await producer.start()
    async with working(settings, store) as worker:
        for turn in range(4):
            await producer.begin_transaction()
            for it in events(100 * turn):
                await producer.send_and_wait(USAGE, it.value, key=it.key)
            await (producer.commit_transaction() if turn % 2 else producer.abort_transaction())
        await producer.stop()
        await eventually(lambda: _is(store, "transactions", 20))
        # Transaction markers follow the last event and are no lag.
        await until(worker.ingest.caught_up)
        assert metric("spendmeter_offsets_lost_total", partition="0") == 0
    assert await count(store, "transactions") == 20
    consumer = AIOKafkaConsumer(**settings.client_options(), group_id=settings.group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(USAGE, number) for number in range(settings.usage_partitions)])
        ends = await consumer.end_offsets(list(consumer.assignment()))
        assert {partition: await consumer.committed(partition) for partition in ends} == ends
    finally:
        await consumer.stop()


@pytest.mark.kafka
async def test_offsets_that_retention_removed_are_counted(kafka: Any, store: Store) -> None:
    settings = stream_settings(kafka.connection, group="poison-retention", topic_id="retention")
    await ensure_topics(settings.client_options(), usage_partitions=settings.usage_partitions)
    partitions = range(settings.usage_partitions)

    def lost() -> float:
        return sum(metric("spendmeter_offsets_lost_total", partition=str(number)) for number in partitions)

    before = lost()
    async with working(settings, store):
        pass
    assert lost() == before
    raw = [RawRecord(key=it.key, value=it.value) for it in (record(991_000_000 + n, org_id="gone") for n in range(20))]
    sender = client(kafka.connection)
    await sender.bootstrap()
    first = await produce(sender, USAGE, batch(raw[:12]))
    await produce(sender, USAGE, batch(raw[12:]))
    await sender.close()
    async with admin_client(kafka.connection) as admin:
        await admin.delete_records({TopicPartition(USAGE, 0): RecordsToDelete(before_offset=first + 12)})
    async with working(settings, store):
        await eventually(lambda: _is(store, "gone", 8))
    assert lost() - before == 12
    async with working(settings, store):
        pass
    assert lost() - before == 12


async def _is(store: Store, org_id: str, number: int) -> bool:
    return await count(store, org_id) == number
