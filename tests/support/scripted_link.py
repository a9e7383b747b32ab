"""A link to a broker with scripted responses, and a delivery over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from aiokafka.errors import UnknownError
from aiokafka.record.default_records import DefaultRecordBatch

from spendmeter_events import ProducerSettings
from spendmeter_events._delivery.buffer import Buffer, Record
from spendmeter_events._delivery.link import ProducerId
from spendmeter_events._delivery.loop import Delivery
from spendmeter_events._delivery.losses import Losses

Respond = Callable[[int, DefaultRecordBatch, list[bytes]], Exception | None]


@dataclass
class ScriptedLink:
    """A connection whose responses are a function of (partition, batch, values)."""

    respond: Respond
    width: int = 1
    stored: list[bytes] = field(default_factory=list)
    batches: list[tuple[int, bytes]] = field(default_factory=list)
    producer_ids: int = 0
    assigns_id: bool = True
    closed: int = 0

    def partitions(self) -> list[int]:
        return list(range(self.width))

    async def refresh(self) -> None:
        await asyncio.sleep(0)

    async def producer_id(self) -> ProducerId:
        if not self.assigns_id:
            raise UnknownError
        self.producer_ids += 1
        return ProducerId(self.producer_ids, 0)

    async def produce(self, payloads: Mapping[int, bytes]) -> dict[int, Exception | None]:
        outcome: dict[int, Exception | None] = {}
        for partition, payload in payloads.items():
            self.batches.append((partition, payload))
            batch = DefaultRecordBatch(payload)
            values = [bytes(record.value or b"") for record in DefaultRecordBatch(payload)]
            outcome[partition] = self.respond(partition, batch, values)
            if outcome[partition] is None:
                self.stored += values
        return outcome

    async def close(self) -> None:
        self.closed += 1


class Bench:
    """A delivery over one scripted link, with a clock that skips every back-off."""

    def __init__(self, link: ScriptedLink, *, batch_bytes: int = 4096) -> None:
        self.now = 0.0
        self.link = link
        self.opened = 0
        self.buffer = Buffer(max_events=10_000, max_bytes=10**8)
        self.losses = Losses()
        self.delivery = Delivery(
            settings=ProducerSettings(batch_bytes=batch_bytes),
            buffer=self.buffer,
            losses=self.losses,
            open_link=self._open,
            clock=lambda: self.now,
        )

    async def _open(self) -> ScriptedLink:
        self.opened += 1
        return self.link

    def fill(self, count: int) -> list[bytes]:
        values = [b"event-%05d" % number for number in range(count)]
        for number, value in enumerate(values):
            assert self.buffer.put(Record.of(UUID(int=number * 7919).bytes, value, timestamp_ms=1_700_000_000_000))
        return values

    async def run(self, *, rounds: int = 400) -> None:
        """Run until the buffer is empty; fail after `rounds` rounds."""
        for _ in range(rounds):
            if self.buffer.events == 0:
                return
            await self.delivery.round()
            self.now += max(self.delivery.seconds_until_reconnect(), self.delivery.seconds_until_ready() or 0.0)
        raise AssertionError(f"{self.buffer.events} events are still buffered after {rounds} rounds")
