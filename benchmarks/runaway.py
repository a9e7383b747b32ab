"""A runaway as it happens: how soon after its first call the alert is in the topic, and in `/metrics`.

Run as a process of its own: `python -m benchmarks.runaway`. It prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiokafka import AIOKafkaConsumer
from prometheus_client import REGISTRY

from benchmarks.waiting import until
from spendmeter_deploy.embedded.stack import EmbeddedStack, embedded_stack
from spendmeter_deploy.settings import StackSettings
from spendmeter_events import UsageEvent, UsageProducer
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.topics import ALERTS
from spendmeter_events.traffic.incidents import runaway_loop
from spendmeter_stream.guard.evaluate.spike import SPIKE_SCORE

_ORG = "sunrise-delhi"
_LAST_RUN = "spendmeter_spend_guard_last_run_timestamp_seconds"


async def measure() -> dict[str, float]:
    """Seconds from the first call to the alert, on an embedded stack with default settings."""
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_stack(StackSettings(data_dir=Path(folder), port=0)) as stack:
            await until(lambda: bool(REGISTRY.get_sample_value(_LAST_RUN)), every=0.1)
            emitting = asyncio.create_task(_emit(stack))
            started = time.perf_counter()
            in_metrics, in_topic = await asyncio.gather(_metrics(), _topic(stack))
            emitting.cancel()
    return {"in_metrics": in_metrics - started, "in_topic": in_topic - started}


async def _emit(stack: EmbeddedStack) -> None:
    """Each call at its moment, for as long as anybody listens."""
    calls = runaway_loop(seed=7, start=datetime.now(UTC) + timedelta(milliseconds=1), org_id=_ORG)
    async with UsageProducer(connection=KafkaConnection(bootstrap_servers=stack.broker.bootstrap)) as producer:
        for _, value in calls:
            event = UsageEvent.model_validate_json(value)
            await asyncio.sleep(max(0.0, (event.occurred_at - datetime.now(UTC)).total_seconds()))
            producer.emit(event)


async def _metrics() -> float:
    labels = {"scope": "org", "org": _ORG, "key": _ORG}

    def noticed() -> bool:
        return (REGISTRY.get_sample_value("spendmeter_spend_spike_score", labels) or 0.0) > SPIKE_SCORE

    await until(noticed, every=0.05)
    return time.perf_counter()


async def _topic(stack: EmbeddedStack) -> float:
    options = KafkaConnection(bootstrap_servers=stack.broker.bootstrap).client_options()
    async with AIOKafkaConsumer(ALERTS, **options, auto_offset_reset="earliest") as consumer:
        await consumer.getone()
    return time.perf_counter()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure())))
