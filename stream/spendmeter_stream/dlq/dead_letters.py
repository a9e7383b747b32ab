"""Write records that cannot be counted to the dead-letter topic: original bytes, with the reason in headers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from spendmeter_events.topics import USAGE, USAGE_DLQ
from spendmeter_stream.poison import Rejected, SourceRecord, skip
from spendmeter_stream.retry import OUTAGES

MAX_BYTES: Final = 8 * 2**20
_KEPT: Final = 64 * 1024
_IN_FLIGHT: Final = 256
"""Letters sent at once. aiokafka wakes every waiting sender for each batch: 5,000 at once time out at every retry."""
_BATCH_BYTES: Final = 2**20

VERSION: Final = "1"
ATTEMPTS: Final = "attempts"
"""How often this record was dead-lettered. A redrive keeps the header, so that no record loops endlessly."""

_ORIGINAL: Final = "original."
"""Prefix of the record's own header names."""

Headers = list[tuple[str, bytes | None]]


class DeadLetterSource(SourceRecord, Protocol):
    """A Kafka record to dead-letter."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class DeadLetters:
    """Write dead letters, and return when the broker has acknowledged all of them."""

    def __init__(self, *, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    @classmethod
    def producer(cls, client_options: dict[str, Any]) -> AIOKafkaProducer:
        """Return a producer for records up to the topic's size limit. The caller starts and stops it."""
        return AIOKafkaProducer(
            **client_options,
            acks="all",
            compression_type="lz4",
            max_batch_size=_BATCH_BYTES,
            max_request_size=MAX_BYTES,
        )

    async def send(self, rejected: Sequence[tuple[DeadLetterSource, Rejected]]) -> None:
        """Send all records and await every acknowledgement. Raises `KafkaError`; a retry is harmless."""
        for start in range(0, len(rejected), _IN_FLIGHT):
            await asyncio.gather(*(self._send(record, why) for record, why in rejected[start : start + _IN_FLIGHT]))

    async def _send(self, record: DeadLetterSource, why: Rejected) -> None:
        """Send the whole record; else its first 64 KiB; else only log it."""
        value = record.value or b""
        fault = await self._try(record.value, record.key, dead_letter_headers(record, why))
        if fault is not None:
            # The record exceeds the topic's size limit; its beginning is enough to find the emitter.
            headers = [*_coordinates(record, why), ("truncated", str(len(value)).encode())]
            fault = await self._try(value[:_KEPT], (record.key or b"")[:_KEPT], headers)
        if fault is not None:
            skip(record, "dead_letter", fault)

    async def _try(self, value: bytes | None, key: bytes | None, headers: Headers) -> Exception | None:
        """Send, and return the error if the broker rejects the record. Outages are raised."""
        try:
            await self._producer.send_and_wait(USAGE_DLQ, value, key=key, headers=headers)
        except Exception as error:
            if isinstance(error, OUTAGES) and not isinstance(error, MessageSizeTooLargeError):
                raise
            return error
        return None


def dead_letter_headers(record: DeadLetterSource, why: Rejected) -> Headers:
    """Return a dead letter's headers: coordinates, reason, attempts, and the record's own headers with a prefix."""
    original = [(_ORIGINAL + name, value) for name, value in record.headers if name != ATTEMPTS]
    return [*_coordinates(record, why), *original]


def original_headers(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """Return the headers of the original record."""
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
