"""Slow stores, many partitions, a missing dead-letter topic: the worker waits, in bounded memory, and loses nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Literal, cast

import pytest
from aiokafka import TopicPartition

from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_events.topics import USAGE, USAGE_DLQ
from spendmeter_stream.ingest.partition import PartitionTask
from spendmeter_stream.ingest.service import _BUFFER_BYTES, _CHUNKS_AT_ONCE, Ingest
from spendmeter_stream.kafka.group_position import Stream, open_stream
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.settings import StreamSettings
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.topic import admin_client, read_topic
from tests.support.metrics import metric
from tests.support.protocols import protocol_without
from tests.support.records import FakeRecord, record
from tests.support.until import until
from tests.support.worker import count, publish, scalar, stream_settings, working


def of(org_id: str, numbers: range) -> list[FakeRecord]:
    first = 10_000_000 * (sum(org_id.encode()) + 1)
    return [record(first + number, org_id=org_id) for number in numbers]


class Inspected(Ingest):
    """The ingest service with access to its parts, and a count of the chunks that wait for a slot."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.slots = self._slots = WatchedSlots(_CHUNKS_AT_ONCE)

    @property
    def consumer(self) -> Any:
        return self._consumer

    @property
    def partitions(self) -> dict[TopicPartition, PartitionTask]:
        return self._partitions


class WatchedSlots(asyncio.Semaphore):
    waiting = 0

    async def acquire(self) -> Literal[True]:
        self.waiting += 1
        try:
            return await super().acquire()
        finally:
            self.waiting -= 1


@asynccontextmanager
async def inspecting(
    settings: StreamSettings, store: Store, reached: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Inspected]:
    ingest_type = type("Observed", (Inspected,), {"protocol": protocol_without(reached=reached)})
    async with working(settings, store, ingest_type=ingest_type) as worker:
        yield cast(Inspected, worker.ingest)


@pytest.fixture
async def slow_store(clickhouse_http: ClickHouseHttp) -> AsyncIterator[Store]:
    settings = StoreSettings(store_dsn=clickhouse_http.dsn_of("backpressure"), store_timeout_seconds=60)
    with Store(settings) as store:
        await migrate(store)
        yield store


@pytest.mark.slow
async def test_heartbeats_flow_while_an_insert_takes_longer_than_the_session(
    broker: Any, slow_store: Store, clickhouse_http: ClickHouseHttp
) -> None:
    """With a session of 4 s and an insert of 10 s, the generation stays the same, and every event is counted once."""
    org = f"slow-{broker.name}"
    settings = stream_settings(
        broker.connection, group=f"group-{org}", session_timeout_ms=4000, usage_partitions=4, topic_id=org
    )
    async with inspecting(settings, slow_store) as ingest:
        coordinator = ingest.consumer._coordinator  # noqa: SLF001
        member, generation = coordinator.member_id, coordinator.generation
        clickhouse_http.faults.add("delay", match="INSERT INTO usage_events", seconds=10, count=2)
        await publish(broker.connection, of(org, range(40)))
        await until(lambda: clickhouse_http.faults.fired() == ["delay", "delay"], attempts=18000)
        await publish(broker.connection, of(org, range(30, 60)))
        await _stored(slow_store, org, 60)
        # An expired session would have ended the membership, or at least changed the generation.
        assert (coordinator.member_id, coordinator.generation) == (member, generation)
    assert await count(slow_store, org) == 60
    for table in ("usage_15m", "usage_daily", "user_daily"):
        sql = f"SELECT sum(requests) FROM {table} WHERE org_id = {{org:String}}"
        assert await scalar(slow_store, sql, org=org) == 60


async def _stored(store: Store, org: str, events: int) -> None:
    for _ in range(3000):
        if await count(store, org) >= events:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{await count(store, org)} of {events} events are stored")


async def test_many_quiet_partitions_make_few_inserts_and_report_their_delay(fresh_tansu: Any, store: Store) -> None:
    """64 partitions with occasional events: the interval grows, so that parts stay few."""
    rate = 8
    settings = stream_settings(fresh_tansu.connection, usage_partitions=64, chunks_per_second=rate)
    async with inspecting(settings, store) as ingest:
        tasks = ingest.partitions.values()
        assert len(tasks) == 64
        assert sum(task._limits.bytes for task in tasks) <= _BUFFER_BYTES  # noqa: SLF001
        before, started = metric("spendmeter_chunks_total", reason="time"), time.monotonic()
        await publish(fresh_tansu.connection, of("many", range(150)))
        late = 0.0
        while await count(store, "many") < 150:
            late = max(late, *(metric("spendmeter_consumer_lag_seconds", partition=str(n)) for n in range(64)))
            await asyncio.sleep(0.05)
        chunks = metric("spendmeter_chunks_total", reason="time") - before
        assert chunks <= rate * (time.monotonic() - started) + 1
        # About 60 partitions take turns, eight per second: most of them waited for seconds, and the lag shows it.
        assert late > 2
        await until(lambda: not any(lag_seconds()), attempts=18000)
    assert await count(store, "many") == 150


async def test_a_waiting_chunk_includes_events_that_arrive_meanwhile(fresh_tansu: Any, store: Store) -> None:
    """Otherwise, with a slow store, each record would wait for two rounds of all partitions."""
    settings = stream_settings(fresh_tansu.connection, usage_partitions=1)
    async with inspecting(settings, store) as ingest:
        slots = ingest.slots
        while not slots.locked():
            await slots.acquire()
        chunks = metric("spendmeter_chunks_total", reason="time")
        await publish(fresh_tansu.connection, of("place", range(1)))
        await until(lambda: slots.waiting > 0, attempts=6000)
        await publish(fresh_tansu.connection, of("place", range(1, 30)))
        # The fetch response with the records contains the end offset.
        await until(lambda: ingest.consumer.highwater(TopicPartition(USAGE, 0)) == 30, attempts=6000)
        slots.release()
        await until(ingest.caught_up, attempts=6000)
        assert metric("spendmeter_chunks_total", reason="time") == chunks + 1
    assert await count(store, "place") == 30


async def test_a_task_that_is_cancelled_gives_back_no_place_that_it_never_had(fresh_tansu: Any, store: Store) -> None:
    """Otherwise, each such partition would permit one more concurrent chunk, until the worker ends."""
    settings = stream_settings(fresh_tansu.connection, usage_partitions=1, chunk_records=100)
    async with inspecting(settings, store) as ingest:
        slots = ingest.slots
        while not slots.locked():
            await slots.acquire()
        await publish(fresh_tansu.connection, of("cancelled", range(100)))
        # The chunk is full, so only the slot is waited for.
        await until(lambda: slots.waiting > 0)
        await asyncio.sleep(0.1)
        (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "partition-0"]
        task.cancel()
        await asyncio.wait([task])
        assert slots.locked()


def lag_seconds() -> list[float]:
    return [metric("spendmeter_consumer_lag_seconds", partition=str(number)) for number in range(64)]


async def closed(ingest: Inspected, stream: Stream) -> dict[int, int]:
    """Wait until the group has committed all records, and return the offsets."""
    for _ in range(600):
        ends = {tp.partition: ingest.consumer.highwater(tp) for tp in ingest.partitions}
        committed = dict(await stream.committed())
        if committed == {partition: end for partition, end in ends.items() if end}:
            return committed
        await asyncio.sleep(0.1)
    raise AssertionError("a chunk stays open")


@pytest.mark.kafka
async def test_a_missing_dead_letter_topic_blocks_the_commit(kafka: ApacheKafka, store: Store) -> None:
    """No record after a bad one is counted or committed until its dead letter is stored; then ingestion continues."""
    settings = stream_settings(kafka.connection, group="group-blocked", usage_partitions=4)
    there = asyncio.Event()
    bad = replace(record(1), value=b"{oops")

    def reached(point: str) -> None:
        if point == "before:dead_letter":
            there.set()

    async with (
        inspecting(settings, store, reached) as ingest,
        open_stream(settings) as stream,
    ):
        async with admin_client(kafka.connection) as admin:
            await admin.delete_topics([USAGE_DLQ])
        before = await closed(ingest, stream)
        known = metric("spendmeter_events_total", outcome="dead_letter")
        # One partition, so that good records follow the bad one.
        behind = [replace(it, key=bad.key) for it in of("behind", range(5))]
        await publish(kafka.connection, [bad, *behind])
        await asyncio.wait_for(there.wait(), 60)
        await asyncio.sleep(1)
        assert await stream.committed() == before
        assert metric("spendmeter_events_total", outcome="dead_letter") == known
        await ensure_topics(settings.client_options(), usage_partitions=4)
        await until(ingest.caught_up, attempts=18000)
        assert sum((await closed(ingest, stream)).values()) == sum(before.values()) + 6
        letters = await read_topic(kafka.connection, USAGE_DLQ, count=1)
    assert {(it.value, it.key) for it in letters} >= {(bad.value, bad.key)}
    assert metric("spendmeter_events_total", outcome="dead_letter") == known + 1
