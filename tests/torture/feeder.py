"""The producer of a run: sends records until the broker has them, and again what the broker lost."""

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
    """Produces the ledger's records, each until the broker has acknowledged it."""

    def __init__(self, *, ledger: Ledger, producer: AIOKafkaProducer) -> None:
        self._ledger = ledger
        self._producer = producer
        self.ends: dict[int, int] = defaultdict(int)
        """Partition → the offset behind the last record that was acknowledged, in this life of the topic."""
        self.sent_again = 0
        """Records whose acknowledgement or whose topic was lost, and which were sent again."""
        self.foreign = 0
        """Copies that were sent to the partition which another client's hash chooses."""
        self.quiet = asyncio.Lock()
        """Taken, it keeps batches away while a fault changes the topic."""
        self._unsure: list[Record] = []
        """Records that are not known to be stored."""

    async def feed(self, size: int) -> None:
        """Send a batch of `size` new events; returns when the broker has it all."""
        async with self.quiet:
            records = self._ledger.batch(size)
            self._unsure += records
            await self._send_all(records)

    async def feed_until(self, done: asyncio.Event, *, size: int, pause: float) -> None:
        """Send batch after batch."""
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
        """Send events that lie ahead of the machine's clock by more than a worker takes."""
        async with self.quiet:
            await self._send_all(self._ledger.ahead(size))

    async def send_again(self) -> None:
        """Send all that may not be stored, because the broker lost it. The caller has taken `quiet`."""
        self.sent_again += len(self._unsure)
        await self._send_all(self._unsure)

    def new_life(self) -> None:
        """The topic counts its offsets from 0 again."""
        self.ends.clear()

    def letters_lost(self) -> None:
        """The broker has lost the dead letters. Those of records that are sent again will be in it again."""
        self._ledger.lost_letters = self._ledger.bad_keys - {record.key for record in self._unsure}

    def all_stored(self) -> None:
        """What was sent so far is in the store, as a quiet point has found."""
        self._unsure.clear()

    async def refresh(self) -> None:
        """Learn how wide the topic is now."""
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
    """Send `records` once. Returns those that were not acknowledged, and the end offset of each partition.

    A record that was not acknowledged may be stored nevertheless.

    :param width: send to the partition that CRC-32 chooses of so many; None for the producer's own partitioner.
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
