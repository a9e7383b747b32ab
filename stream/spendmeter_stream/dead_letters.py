"""What could not be counted goes to the dead-letter topic: original bytes, and why in the headers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from spendmeter_events.topics import USAGE, USAGE_DLQ
from spendmeter_stream.validate import Record, Rejected

MAX_BYTES: Final = 8 * 2**20
_KEPT: Final = 64 * 1024
VERSION: Final = "1"
ATTEMPTS: Final = "attempts"
"""How often this record was dead-lettered; a replay carries it along, so that no record circles for ever."""

Headers = list[tuple[str, bytes]]


class DeadLetterSource(Record, Protocol):
    """What a dead letter keeps of a Kafka record."""

    @property
    def partition(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class DeadLetters:
    """Writes dead letters, and returns only when the broker has them all."""

    def __init__(self, *, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    @classmethod
    def producer(cls, client_options: dict[str, Any]) -> AIOKafkaProducer:
        """A producer that takes records as large as the topic does. The caller starts and stops it."""
        return AIOKafkaProducer(**client_options, acks="all", compression_type="lz4", max_request_size=MAX_BYTES)

    async def send(self, rejected: Sequence[tuple[DeadLetterSource, Rejected]]) -> None:
        """Send all, await every acknowledgement. Raises `KafkaError`; sending again is harmless."""
        await asyncio.gather(*(self._send(record, why) for record, why in rejected))

    async def _send(self, record: DeadLetterSource, why: Rejected) -> None:
        headers = dead_letter_headers(record, why)
        try:
            await self._producer.send_and_wait(USAGE_DLQ, record.value, key=record.key, headers=headers)
        except MessageSizeTooLargeError:
            # Larger than the topic takes: its beginning is enough to find the emitter.
            value = record.value or b""
            headers.append(("truncated", str(len(value)).encode()))
            await self._producer.send_and_wait(USAGE_DLQ, value[:_KEPT], key=record.key, headers=headers)


def dead_letter_headers(record: DeadLetterSource, why: Rejected) -> Headers:
    """Coordinates, reason and history of a dead letter."""
    earlier = dict(record.headers).get(ATTEMPTS, b"0")
    attempts = int(earlier) + 1 if earlier.isdigit() and len(earlier) < 6 else 1
    return [
        ("topic", USAGE.encode()),
        ("partition", str(record.partition).encode()),
        ("offset", str(record.offset).encode()),
        ("error_code", why.code.encode()),
        ("error_message", why.message.encode()),
        ("version", VERSION.encode()),
        (ATTEMPTS, str(attempts).encode()),
    ]
