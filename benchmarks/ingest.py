"""How fast a filled topic drains into the store: the worker, the worker without its guarantees, and plain Faust.

Run one as a process of its own: `python -m benchmarks.ingest worker|unguarded|faust EVENTS`. It prints one line of
JSON. All three read the same records and use the same validation, pricing and insert; only what carries them differs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import faust

from benchmarks.waiting import until
from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_deploy.embedded.broker import TansuBroker
from spendmeter_events import UsageProducer
from spendmeter_events.topics import USAGE
from spendmeter_events.traffic import generate
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.service import Ingest
from spendmeter_stream.ingest.validate import validate
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.worker import create_worker
from tests.support.protocols import ingest_without

_END = datetime(2026, 11, 1, tzinfo=UTC)
_UNGUARDED = ("dedup", "intent", "fence", "token", "view_dedup", "confirm")


@dataclass(frozen=True)
class FilledTopic:
    """A broker whose usage topic holds the events, and an empty store."""

    settings: StreamSettings
    store: Store
    events: int


@asynccontextmanager
async def filled_topic(events: int) -> Any:
    """Fresh broker and store in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        broker = TansuBroker(log_file=Path(folder) / "broker.log")
        await broker.start()
        settings = StreamSettings(bootstrap=broker.bootstrap, rebalance_timeout_ms=2000)
        try:
            await ensure_topics(settings.client_options(), usage_partitions=settings.usage_partitions)
            async with UsageProducer(connection=settings.connection()) as producer:
                # As dense as a busy platform: 25 times the demo's traffic of a day.
                for key, value in islice(generate(seed=7, days=90, end=_END, scale=25), events):
                    await producer.put_encoded(key, value)
                await producer.flush()
            with Store(StoreSettings(store_dsn=f"chdb://{folder}/store")) as store:
                await migrate(store)
                yield FilledTopic(settings, store, events)
        finally:
            await broker.stop()


async def stored(store: Store) -> int:
    """How many events the store has."""
    with store.session("count") as session:
        return int((await session.query("SELECT count() FROM usage_events")).result_rows[0][0])


@dataclass(frozen=True)
class Drained:
    """From the first stored event to the last, and so without the time to start and join the group."""

    per_second: float
    """Events a second of the clock."""
    cpu_us: float
    """Microseconds of all processors an event, the store's included."""


async def drain(topic: FilledTopic, app: faust.App) -> Drained:
    """Run `app` until everything is stored."""
    await app.start()
    before = 0

    async def begun() -> bool:
        nonlocal before
        before = await stored(topic.store)
        return before > 0

    async def done() -> bool:
        return await stored(topic.store) >= topic.events

    await until(begun, every=0.02)
    started, used = time.perf_counter(), time.process_time()
    await until(done, every=0.1)
    seconds, used = time.perf_counter() - started, time.process_time() - used
    await app.stop()
    events = topic.events - before
    return Drained(per_second=events / seconds, cpu_us=1e6 * used / events)


async def worker(topic: FilledTopic, ingest_type: type[Ingest]) -> Drained:
    """The worker as it ships."""
    made = create_worker(settings=topic.settings, store=topic.store, ingest_type=ingest_type, web=False)
    return await drain(topic, made.app)


async def plain_faust(topic: FilledTopic) -> Drained:
    """An agent that takes batches and acknowledges them after the insert."""
    app = faust.App(
        "bench",
        broker=f"kafka://{topic.settings.bootstrap}",
        autodiscover=False,
        store="memory://",
        web_enabled=False,
        topic_partitions=topic.settings.usage_partitions,
        broker_rebalance_timeout=2.0,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=16_384,
    )
    session, book = topic.store.session("insert"), PriceBook.load()
    source = app.topic(USAGE, key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")

    @app.agent(source)
    async def ingest(stream: Any) -> None:
        async for events in stream.noack_take(topic.settings.chunk_records, within=0.5):
            records = [event.message for event in events]
            good = validate(records, now=datetime.now(UTC), max_future=timedelta(hours=1))
            block = build_block(
                good.events,
                coordinates=Coordinates("bench", 0),
                book=book,
                users={},
                ingested_at=datetime.now(UTC),
            )
            await session.insert_arrow("usage_events", block, settings={"async_insert": 0})
            for event in events:
                event.ack()

    return await drain(topic, app)


CARRIERS: dict[str, Callable[[FilledTopic], Awaitable[Drained]]] = {
    "worker": lambda topic: worker(topic, Ingest),
    "unguarded": lambda topic: worker(topic, ingest_without(*_UNGUARDED)),
    "faust": plain_faust,
}


async def measure(carrier: str, events: int) -> Drained:
    """Measure one carrier."""
    async with filled_topic(events) as topic:
        return await CARRIERS[carrier](topic)


if __name__ == "__main__":
    name, count = sys.argv[1], int(sys.argv[2])
    print(json.dumps({"carrier": name, "events": count, **asdict(asyncio.run(measure(name, count)))}))
