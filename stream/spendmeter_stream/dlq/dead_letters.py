"""What could not be counted goes to the dead-letter topic: original bytes, and why in the headers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from spendmeter_events.topics import USAGE, USAGE_DLQ
from spendmeter_stream.poison import Record, Rejected, skip
from spendmeter_stream.retry import OUTAGES

MAX_BYTES: Final = 8 * 2**20
_KEPT: Final = 64 * 1024
VERSION: Final = "1"
ATTEMPTS: Final = "attempts"
"""How often this record was dead-lettered; a replay carries it along, so that no record circles for ever."""

_ORIGINAL: Final = "original."
"""Comes before the name of each header that the record itself had."""

Headers = list[tuple[str, bytes | None]]


class DeadLetterSource(Record, Protocol):
    """What a dead letter keeps of a Kafka record."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


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
        """The record as it came; else what the topic takes of it; else nothing but a log line."""
        value = record.value or b""
        fault = await self._try(record.value, record.key, dead_letter_headers(record, why))
        if fault is not None:
            # Larger than the topic takes: its beginning is enough to find the emitter.
            headers = [*_coordinates(record, why), ("truncated", str(len(value)).encode())]
            fault = await self._try(value[:_KEPT], (record.key or b"")[:_KEPT], headers)
        if fault is not None:
            skip(record, "dead_letter", fault)

    async def _try(self, value: bytes | None, key: bytes | None, headers: Headers) -> Exception | None:
        """Send, and return what is wrong with the record. Outages are raised."""
        try:
            await self._producer.send_and_wait(USAGE_DLQ, value, key=key, headers=headers)
        except Exception as error:
            if isinstance(error, OUTAGES) and not isinstance(error, MessageSizeTooLargeError):
                raise
            return error
        return None


def dead_letter_headers(record: DeadLetterSource, why: Rejected) -> Headers:
    """Coordinates, reason and history of a dead letter, and the headers that the record came with."""
    theirs = [(_ORIGINAL + name, value) for name, value in record.headers if name != ATTEMPTS]
    return [*_coordinates(record, why), *theirs]


def original_headers(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """The headers that a dead letter's record came with."""
    return [(name.removeprefix(_ORIGINAL), value) for name, value in headers if name.startswith(_ORIGINAL)]


def _coordinates(record: DeadLetterSource, why: Rejected) -> Headers:
    earlier = dict(record.headers).get(ATTEMPTS) or b"0"
    attempts = int(earlier) + 1 if earlier.isdigit() and len(earlier) < 6 else 1
    return [
        ("topic", USAGE.encode()),
        ("partition", str(record.partition).encode()),
        ("offset", str(record.offset).encode()),
        ("error_code", why.code.encode()),
        ("error_message", why.message.encode("utf-8", "backslashreplace")),
        ("version", VERSION.encode()),
        (ATTEMPTS, str(attempts).encode()),
    ]
