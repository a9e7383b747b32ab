"""The spool on a real broker: an outage and a kill of the emitting processes lose no accepted event."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spendmeter_events import ProducerSettings, UsageProducer
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.topic import create_topic, read_topic
from tests.support.until import until

_EMITTER = """
import itertools, sys, time
from spendmeter_events import SyncUsageProducer, UsageEvent

producer = SyncUsageProducer.from_env()
for number in itertools.count():
    event = UsageEvent.now(org_id="o", feature="f", provider="p", model="m", input_tokens=number)
    assert producer.emit(event)
    print(event.event_id, flush=True)
    time.sleep(0.0005)
"""


def _emitter(kafka: ApacheKafka, topic: str, spool: Path, output: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "SPENDMETER_BOOTSTRAP": kafka.connection.bootstrap_servers,
        "SPENDMETER_EMIT_TOPIC": topic,
        "SPENDMETER_EMIT_SPOOL_DIR": str(spool),
        # Far fewer than are emitted during the outage: the rest is only on disk.
        "SPENDMETER_EMIT_MAX_BUFFERED_EVENTS": "500",
    }
    with output.open("wb") as stream:
        return subprocess.Popen([sys.executable, "-c", _EMITTER], stdout=stream, env=environment)


def _accepted(output: Path) -> list[str]:
    return [line for line in output.read_text().splitlines() if len(line) == 36]


@pytest.mark.kafka
@pytest.mark.slow
async def test_outage_and_kill_lose_no_accepted_event(kafka: ApacheKafka, tmp_path: Path) -> None:
    """Given two processes with one spool, when the broker dies and then both, then a new one sends their events."""
    topic = await create_topic(kafka.connection, partitions=2)
    spool, outputs = tmp_path / "spool", [tmp_path / "a", tmp_path / "b"]
    emitters = [_emitter(kafka, topic, spool, output) for output in outputs]
    try:
        await until(lambda: all(output.exists() and len(_accepted(output)) > 200 for output in outputs))
        kafka.kill()
        before = [len(_accepted(output)) for output in outputs]
        await until(
            lambda: all(len(_accepted(each)) > count + 1200 for each, count in zip(outputs, before, strict=True))
        )
    finally:
        for emitter in emitters:
            emitter.kill()
            emitter.wait()
    await asyncio.to_thread(kafka.start)

    settings = ProducerSettings(topic=topic, spool_dir=spool)
    async with UsageProducer(connection=kafka.connection, settings=settings) as producer:
        await until(lambda: not list(spool.iterdir()))
        stats = producer.stats
    accepted = {event_id for output in outputs for event_id in _accepted(output)}
    stored = {json.loads(each.value or b"")["event_id"] for each in await read_topic(kafka.connection, topic, count=1)}
    assert stats.lost == 0
    assert accepted - stored == set()
