"""The producer of a run: send records until the broker has them, and resend what it lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final
from zlib import crc32

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from spendmeter_events.topics import USAGE
from tests.torture.ledger import Ledger, Record
from tests.torture.patience import Progress

_PAUSE_S: Final = 0.2


class Feeder:
    """Send each of the ledger's records until the broker has acknowledged it."""

    def __init__(self, *, ledger: Ledger, producer: AIOKafkaProducer) -> None:
        self._ledger = ledger
        self._producer = producer
        self.ends: dict[int, int] = defaultdict(int)
        """Partition → the offset after the last acknowledged record, in this topic epoch."""
        self.sent_again = 0
        """Records that were resent because their acknowledgement or their topic was lost."""
        self.foreign = 0
        """Copies that were sent to the partition of another client's hash."""
        self.quiet = asyncio.Lock()
        """Lock that a fault acquires to stop batches while it changes the topic."""
        self._unsure: list[Record] = []
        """Records that may not be stored."""

    async def feed(self, size: int) -> None:
        """Send a batch of `size` new events, and wait until the broker has all of it."""
        async with self.quiet:
            records = self._ledger.batch(size)
            self._unsure += records
            await self._send_all(records)

    async def feed_until(self, done: asyncio.Event, *, size: int, pause: float) -> None:
        """Send batches until `done`."""
        while not done.is_set():
            await self.feed(size)
            await asyncio.sleep(pause)

    async def feed_twice(self, size: int, *, width: int) -> None:
        """Send a batch, and its copies to the partitions that librdkafka's default partitioner (CRC-32) chooses."""
        async with self.quiet:
            records = self._ledger.batch(size)
            self._unsure += records
            await asyncio.gather(self._send_all(records), self._send_all(records, width=width))
            self.foreign += len(records)

    async def feed_ahead(self, size: int) -> None:
        """Send events that are further in the future than a worker accepts."""
        async with self.quiet:
            await self._send_all(self._ledger.ahead(size))

    async def send_again(self) -> None:
        """Resend all records that may not be stored, because the broker lost them. The caller owns `quiet`."""
        self.sent_again += len(self._unsure)
        await self._send_all(self._unsure)

    def new_life(self) -> None:
        """Note that the topic's offsets restart at 0."""
        self.ends.clear()

    def letters_lost(self) -> None:
        """Note that the broker has lost its dead letters. Resent records produce theirs again."""
        self._ledger.lost_letters = self._ledger.bad_keys - {record.key for record in self._unsure}

    def all_stored(self) -> None:
        """Note that all records sent so far are in the store, as found at a quiet point."""
        self._unsure.clear()

    async def refresh(self) -> None:
        """Read the topic's number of partitions."""
        await self._producer.client.force_metadata_update()

    async def _send_all(self, records: list[Record], *, width: int | None = None) -> None:
        watch = Progress("the broker acknowledges records")
        waiting = records
        while waiting := await self._send(waiting, width):
            watch.see(len(waiting))
            self.sent_again += len(waiting)
            await asyncio.sleep(_PAUSE_S)

    async def _send(self, records: list[Record], width: int | None) -> list[Record]:
        failed, ends = await send(self._producer, records, width=width)
        for partition, end in ends.items():
            self.ends[partition] = max(self.ends[partition], end)
        return failed


async def send(
    producer: AIOKafkaProducer, records: list[Record], *, width: int | None = None
) -> tuple[list[Record], dict[int, int]]:
    """Send `records` once. Return those that were not acknowledged, and the end offset of each partition.

    An unacknowledged record may be stored nevertheless.

    :param width: number of partitions for the CRC-32 partitioner; None for the producer's partitioner.
    """

    async def one(record: Record) -> RecordMetadata:
        partition = None if width is None else crc32(record.key) % width
        return await producer.send_and_wait(USAGE, record.value, key=record.key, partition=partition)

    failed: list[Record] = []
    ends: dict[int, int] = {}
    results = await asyncio.gather(*map(one, records), return_exceptions=True)
    for record, result in zip(records, results, strict=True):
        if isinstance(result, KafkaError):
            failed.append(record)
        elif isinstance(result, BaseException):
            raise result
        else:
            ends[result.partition] = max(ends.get(result.partition, 0), result.offset + 1)
    return failed, ends
