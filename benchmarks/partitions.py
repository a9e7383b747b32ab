"""One worker under a trickle: inserts a second, lateness, memory. `python -m benchmarks.partitions WIDTH SECONDS`."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

from prometheus_client import REGISTRY

from benchmarks.waiting import until
from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_deploy.embedded.broker import TansuBroker
from spendmeter_events import UsageProducer
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.worker import create_worker

_PER_SECOND = 50
_LATE = "quantile(0.95)(toUnixTimestamp64Milli(ingested_at) - toUnixTimestamp64Milli(occurred_at)) / 1000"


async def trickle(settings: StreamSettings, seconds: int) -> list[float]:
    """Emit for `seconds`; returns the largest lag of any partition, each second."""
    shown: list[float] = []
    async with UsageProducer(connection=settings.connection()) as producer:
        for tick in range(seconds * 10):
            for _ in range(_PER_SECOND // 10):
                await producer.put_encoded(*_event())
            await asyncio.sleep(0.1)
            if tick % 10 == 0:
                # Reported once a second, so at first there may be nothing.
                shown.append(max(_samples("spendmeter_consumer_lag_seconds").values(), default=0.0))
        await producer.flush()
    return shown


def _event() -> tuple[bytes, bytes]:
    event_id = uuid.uuid4()
    fields = {
        "event_id": str(event_id),
        "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "org_id": "trickle",
        "user_id": "user-1",
        "feature": "chat",
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": 1000,
        "output_tokens": 100,
    }
    return event_id.bytes, json.dumps(fields).encode()


def _samples(name: str) -> dict[str, float]:
    return {
        str(sample.labels): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == name
    }


async def measure(width: int, seconds: int) -> dict[str, float]:
    """What one run shows."""
    with tempfile.TemporaryDirectory() as folder:
        broker = TansuBroker(log_file=Path(folder) / "broker.log")
        await broker.start()
        settings = StreamSettings(bootstrap=broker.bootstrap, rebalance_timeout_ms=2000, usage_partitions=width)
        try:
            await ensure_topics(settings.client_options(), usage_partitions=width)
            with Store(StoreSettings(store_dsn=f"chdb://{folder}/store")) as store:
                await migrate(store)
                return await _run(settings, store, seconds)
        finally:
            await broker.stop()


async def _run(settings: StreamSettings, store: Store, seconds: int) -> dict[str, float]:
    worker = create_worker(settings=settings, store=store, web=False)
    await worker.app.start()
    try:
        await until(worker.ingest.caught_up, every=0.1)
        before = sum(_samples("spendmeter_chunks_total").values())
        shown = await trickle(settings, seconds)
        chunks = sum(_samples("spendmeter_chunks_total").values()) - before
        await until(worker.ingest.caught_up, every=0.1)
    finally:
        # A worker that keeps running without its store would keep the process alive.
        await worker.app.stop()
    with store.session("count") as session:
        ((late, events),) = (await session.query(f"SELECT {_LATE}, count() FROM usage_events")).result_rows
    if events != seconds * _PER_SECOND:
        raise RuntimeError(f"{events} of {seconds * _PER_SECOND} events are stored")
    return {
        "inserts_per_second": chunks / seconds,
        "late_p95": float(late),
        "shown_p95": quantiles(shown, n=20)[-1],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2])))))
