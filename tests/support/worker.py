"""A real worker inside the test's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from spendmeter_clickhouse import Store
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.topics import USAGE
from spendmeter_stream.journal.group_owner import adopt_group
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.worker import Worker, create_worker
from tests.support.records import FakeRecord
from tests.support.until import until


def stream_settings(connection: KafkaConnection, **changes: Any) -> StreamSettings:
    """Return settings of a worker with short intervals on a test's broker."""
    quick = {
        # Tansu responds to a join after half a session; a shorter session would expire on a busy machine.
        "session_timeout_ms": 4000,
        "rebalance_timeout_ms": 2000,
        "chunk_interval_ms": 100,
        "chunks_per_second": 100,
    }
    return StreamSettings(bootstrap=connection.bootstrap_servers, **{**quick, **changes})


@asynccontextmanager
async def working(settings: StreamSettings, store: Store, **options: Any) -> AsyncIterator[Worker]:
    """Run a worker until it owns its partitions; stop it at the end."""
    await ensure_topics(settings.client_options(), usage_partitions=settings.usage_partitions)
    # Tests of a module share a store; each has its own group.
    with store.session("group") as session:
        await adopt_group(session, settings.group)
    worker = create_worker(settings=settings, store=store, web=False, **options)
    await worker.app.start()
    try:
        await until(worker.ingest.caught_up, attempts=18000)
        yield worker
    finally:
        await worker.app.stop()


async def publish(connection: KafkaConnection, records: Sequence[FakeRecord]) -> None:
    """Publish records unchanged, valid or not, to the partitions of their keys."""
    options = connection.client_options()
    async with AIOKafkaProducer(**options, acks="all", max_request_size=8 * 2**20) as producer:
        sent = [await producer.send(USAGE, it.value, key=it.key, headers=list(it.headers)) for it in records]
        await asyncio.gather(*sent)


async def scalar(store: Store, sql: str, **parameters: Any) -> Any:
    """Return the only value of the only row."""
    with store.session("test") as session:
        return (await session.query(sql, parameters)).result_rows[0][0]


async def count(store: Store, org_id: str) -> int:
    """Return the number of stored events of an org."""
    return int(await scalar(store, "SELECT count() FROM usage_events WHERE org_id = {org:String}", org=org_id))
