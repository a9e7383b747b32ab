"""Prices in force: the book's files and the rows of a compacted topic, followed by every worker on its own.

A consumer without a group reads every partition from the beginning, because each worker needs all rows.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import mode
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from spendmeter_events.topics import PRICES
from spendmeter_stream import metrics
from spendmeter_stream.kafka.batches import open_reader, readable_end
from spendmeter_stream.poison import skip
from spendmeter_stream.pricing import PriceBookError, PriceBookWatcher
from spendmeter_stream.retry import OUTAGES, retry_forever
from spendmeter_stream.runtime.background import BackgroundTasks

log = logging.getLogger(__name__)

Rows = dict[str, bytes | None]
"""The newest value of each key; None takes the row back."""
_Records = dict[str, ConsumerRecord]
"""The newest record of each key."""

_POLL_MS: Final = 1000
_RESTART_SECONDS: Final = 5.0


class PriceFeed(mode.Service):
    """Keeps a watcher's book up to date. Started before the ingest, it has all rows before an event is priced."""

    mundane_level = "debug"

    def __init__(
        self, *, watcher: PriceBookWatcher, client_options: dict[str, Any], tasks: BackgroundTasks, **options: Any
    ) -> None:
        super().__init__(**options)
        self._watcher = watcher
        self._client_options = client_options
        self._background = tasks
        self._consumer: AIOKafkaConsumer | None = None
        self._reported: PriceBookError | None = None

    async def on_start(self) -> None:
        """Wait until all rows that the topic has now are in force: without them, events would get wrong prices."""
        await retry_forever("prices", self._read_from_the_beginning)

    async def on_stop(self) -> None:
        """Leave the broker."""
        await self._close()

    @mode.Service.task
    async def _follow(self) -> None:
        await self._background.run("prices", self._follow_topic, stopping=lambda: self.should_stop)

    async def _follow_topic(self) -> None:
        while not self.should_stop:
            try:
                await self._once()
            except OUTAGES as error:
                log.warning("the topic of prices cannot be read, %s stays in force: %s", self._version, error)
                await self.sleep(_RESTART_SECONDS)
                await retry_forever("prices", self._read_from_the_beginning)

    async def _once(self) -> None:
        if self._consumer is not None:
            await self._apply(_newest(await self._consumer.getmany(timeout_ms=_POLL_MS)))
        self._report(await asyncio.to_thread(self._watcher.poll), "its files")

    async def _read_from_the_beginning(self) -> None:
        await self._close()
        self._consumer = await open_consumer(self._client_options)
        await self._apply(await _records_until_now(self._consumer))

    async def _apply(self, records: _Records) -> None:
        for key, record in records.items():
            # Compiling a book takes most of a second, which the event loop cannot spare.
            changed = await asyncio.to_thread(self._watcher.put, key, record.value)
            cause = f"the row at {record.partition}:{record.offset}"
            if not changed and self._watcher.fault is not None:
                skip(record, "refused", "the price book does not take it")
            self._report(changed, cause)

    def _report(self, changed: bool, cause: str) -> None:
        metrics.show_price_book(self._watcher.book.verified_at)
        if changed:
            log.info("price book %s is in force, by %s", self._version, cause)
        elif self._watcher.fault not in (None, self._reported):
            self._reported = self._watcher.fault
            log.error("a change of %s was refused, %s stays in force: %s", cause, self._version, self._watcher.fault)

    async def _close(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    @property
    def _version(self) -> str:
        return self._watcher.book.version


async def read_price_rows(client_options: dict[str, Any]) -> Rows:
    """Every row that the topic has now, for a command that prices as the workers do.

    :raises KafkaError: no broker answers, or it has no such topic.
    """
    consumer = await open_consumer(client_options)
    try:
        return {key: record.value for key, record in (await _records_until_now(consumer)).items()}
    finally:
        await consumer.stop()


async def open_consumer(client_options: dict[str, Any]) -> AIOKafkaConsumer:
    """A started consumer at the beginning of every partition. Raises `KafkaError`."""
    # The reset is for a log whose first records are gone already.
    consumer = open_reader(client_options=client_options, group_id=None, auto_offset_reset="earliest")
    try:
        await consumer.start()
        await consumer._client.force_metadata_update()
        partitions = consumer.partitions_for_topic(PRICES)
        if not partitions:
            raise UnknownTopicOrPartitionError(f"there is no topic {PRICES}: `spendmeter worker` makes it")
        assigned = [TopicPartition(PRICES, number) for number in sorted(partitions)]
        consumer.assign(assigned)
        for partition in assigned:
            consumer.seek(partition, 0)
    except BaseException:
        await consumer.stop()
        raise
    return consumer


async def _records_until_now(consumer: AIOKafkaConsumer) -> _Records:
    """Read until the end that the broker names. Raises `KafkaError`."""
    records: _Records = {}
    while not await _at_the_end(consumer):
        records |= _newest(await consumer.getmany(timeout_ms=_POLL_MS))
    return records


def _newest(batches: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> _Records:
    """The newest record of each key. One without a key, or whose value is no JSON object, is skipped."""
    records: _Records = {}
    for record in (record for found in batches.values() for record in found):
        if record.key is None:
            skip(record, "invalid", "no key")
        elif (fault := _fault(record.value)) is not None:
            skip(record, "invalid", fault)
        else:
            records[record.key.decode("utf-8", "backslashreplace")] = record
    return records


def _fault(value: bytes | None) -> Exception | str | None:
    if value is None:
        return None
    try:
        return None if isinstance(json.loads(value), dict) else "no JSON object"
    except Exception as error:
        # Beside ValueError: RecursionError, of 10,000 brackets.
        return error


async def _at_the_end(consumer: AIOKafkaConsumer) -> bool:
    for partition in consumer.assignment():
        end = readable_end(consumer, partition)
        if end is None or await consumer.position(partition) < end:
            return False
    return True
