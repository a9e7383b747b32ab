"""`spendmeter collect` is killed while it accepts events: every event that it acknowledged is in Kafka."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from spendmeter_events import KafkaConnection
from spendmeter_events.topics import USAGE
from tests.support.kafka.process import free_port
from tests.support.kafka.tansu import Tansu
from tests.support.kafka.topic import create_topic, read_topic
from tests.support.records import event_fields
from tests.support.service import ADMIN_KEY
from tests.support.until import until

BATCH = 20
ENOUGH = 200
"""Acknowledged events before the kill."""


def process(folder: Path, port: int, connection: KafkaConnection) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "SPENDMETER_BOOTSTRAP": connection.bootstrap_servers,
        "SPENDMETER_STORE_DSN": f"chdb://{folder}/store",
        "SPENDMETER_ADMIN_KEY": ADMIN_KEY,
        "SPENDMETER_REQUESTS_PER_MINUTE": "0",
    }
    command = [str(Path(sys.executable).with_name("spendmeter")), "collect", "--port", str(port)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Sender(threading.Thread):
    """Sends batches until the collector is gone, and lists the ids that it acknowledged."""

    def __init__(self, url: str, first: int) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self._url, self._next = url, first

    def run(self) -> None:
        with httpx.Client(base_url=self._url, headers={"Authorization": f"Bearer {ADMIN_KEY}"}, timeout=30) as http:
            while True:
                events: list[dict[str, Any]] = [event_fields(self._next + number) for number in range(BATCH)]
                self._next += BATCH
                try:
                    answer = http.post("/v1/events", json=events)
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    self.acknowledged += [result["event_id"] for result in answer.json()["results"]]


async def test_no_acknowledged_event_is_lost_by_a_kill(fresh_tansu: Tansu, tmp_path: Path) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=2)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    collector = process(tmp_path, port, fresh_tansu.connection)

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    senders = [Sender(url, first) for first in (1, 1_000_000)]
    try:
        await until(ready)
        for sender in senders:
            sender.start()
        await until(lambda: all(len(sender.acknowledged) >= ENOUGH for sender in senders))
    finally:
        collector.kill()
        collector.wait()
    for sender in senders:
        sender.join(60)
    acknowledged = {event_id for sender in senders for event_id in sender.acknowledged}
    records = await read_topic(fresh_tansu.connection, USAGE, count=len(acknowledged))
    in_kafka = {str(UUID(bytes=record.key)) for record in records if record.key}
    assert acknowledged <= in_kafka
