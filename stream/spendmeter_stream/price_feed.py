"""Follow the book's files and the compacted topic of price rows.

Each worker needs all rows, so its consumer has no group and reads every partition from the beginning.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import mode
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from spendmeter_events.topics import PRICES
from spendmeter_stream import metrics
from spendmeter_stream.kafka.batches import QUIET_FETCH_MS, open_reader, readable_end
from spendmeter_stream.poison import skip
from spendmeter_stream.pricing import PriceBookWatcher
from spendmeter_stream.pricing.watch import Row, parse_row
from spendmeter_stream.retry import OUTAGES, retry_forever
from spendmeter_stream.runtime.background import BackgroundTasks

log = logging.getLogger(__name__)

_Records = dict[str, tuple[ConsumerRecord, Row | None]]
"""Newest record of each key and its row; None removes the row."""

_POLL_MS: Final = 2000
_FIRST_POLL_MS: Final = 50
"""Shorter: at the end of the topic no record ends the poll, and ingestion waits for it."""
_RESTART_SECONDS: Final = 5.0


class PriceFeed(mode.Service):
    """Keep the watcher's book up to date. It starts before ingestion, so that no event is priced without all rows."""

    mundane_level = "debug"

    def __init__(
        self, *, watcher: PriceBookWatcher, client_options: dict[str, Any], tasks: BackgroundTasks, **options: Any
    ) -> None:
        super().__init__(**options)
        self._watcher = watcher
        self._client_options = client_options
        self._background = tasks
        self._consumer: AIOKafkaConsumer | None = None
        self._reported = ""

    async def on_start(self) -> None:
        """Wait until all rows of the topic are in force. Without them events would get wrong prices."""
        await retry_forever("prices", self._read_from_the_beginning)

    async def on_stop(self) -> None:
        """Close the consumer."""
        await self._close()

    @mode.Service.task
    async def _follow(self) -> None:
        await self._background.run("prices", self._follow_topic, stopping=lambda: self.should_stop)

    async def _follow_topic(self) -> None:
        while not self.should_stop:
            try:
                await self._poll_once()
            except OUTAGES as error:
                log.warning("cannot read the price topic, book %s stays in force; retrying: %s", self._version, error)
                await self.sleep(_RESTART_SECONDS)
                await retry_forever("prices", self._read_from_the_beginning)

    async def _poll_once(self) -> None:
        if self._consumer is not None:
            await self._apply(_newest(await self._consumer.getmany(timeout_ms=_POLL_MS)))
        self._report(await asyncio.to_thread(self._watcher.poll), "its files")

    async def _read_from_the_beginning(self) -> None:
        await self._close()
        self._consumer = await open_consumer(self._client_options)
        await self._apply(await _records_until_end(self._consumer))
        # The first fetches must end soon, later ones may wait.
        self._consumer._fetcher._fetch_max_wait_ms = QUIET_FETCH_MS

    async def _apply(self, records: _Records) -> None:
        if not records:
            return
        # Compiling a book would block the event loop.
        changed = await asyncio.to_thread(self._watcher.put_all, {key: row for key, (_, row) in records.items()})
        for key, (record, _) in records.items():
            if key in self._watcher.rejected:
                skip(record, "refused", "rejected by the price book")
        self._report(changed, "rows " + ", ".join(f"{each.partition}:{each.offset}" for each, _ in records.values()))

    def _report(self, changed: bool, cause: str) -> None:
        book = self._watcher.book
        metrics.show_price_book(book.verified_at, book.oldest_verified_at)
        if changed:
            log.info("price book %s is in force, changed by %s", self._version, cause)
        fault = str(self._watcher.fault or "")
        if fault and fault != self._reported:
            log.error("price book %s is in force without its invalid rows: %s", self._version, fault)
        self._reported = fault

    async def _close(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    @property
    def _version(self) -> str:
        return self._watcher.book.version


async def read_price_rows(client_options: dict[str, Any]) -> dict[str, Row | None]:
    """Return every row of the topic, for commands that price like the workers.

    :raises KafkaError: no broker answers, or it has no such topic.
    """
    consumer = await open_consumer(client_options)
    try:
        return {key: row for key, (_, row) in (await _records_until_end(consumer)).items()}
    finally:
        await consumer.stop()


async def publish_price_rows(client_options: dict[str, Any], rows: Mapping[str, Row | None]) -> None:
    """Publish rows to the topic and await every acknowledgement; None removes the row of its key. Raises `KafkaError`.

    :raises UnicodeEncodeError: a key is not valid UTF-8.
    """
    records = [(key.encode(), None if row is None else json.dumps(row).encode()) for key, row in rows.items()]
    producer = AIOKafkaProducer(**client_options, acks="all")
    try:
        await producer.start()
        for key, value in records:
            await producer.send_and_wait(PRICES, value, key=key)
    finally:
        await producer.stop()


async def open_consumer(client_options: dict[str, Any]) -> AIOKafkaConsumer:
    """Return a started consumer at the beginning of every partition. Raises `KafkaError`."""
    # The reset applies when the first records of the log are deleted already.
    consumer = open_reader(client_options=client_options, group_id=None, auto_offset_reset="earliest")
    try:
        await consumer.start()
        await consumer._client.force_metadata_update()
        partitions = consumer.partitions_for_topic(PRICES)
        if not partitions:
            raise UnknownTopicOrPartitionError(
                f"topic {PRICES} does not exist; start `spendmeter worker`, which creates it"
            )
        assigned = [TopicPartition(PRICES, number) for number in sorted(partitions)]
        consumer.assign(assigned)
        for partition in assigned:
            consumer.seek(partition, 0)
    except BaseException:
        await consumer.stop()
        raise
    return consumer


async def _records_until_end(consumer: AIOKafkaConsumer) -> _Records:
    """Read to the end offsets that the broker reports. Raises `KafkaError`."""
    records: _Records = {}
    while not await _at_end(consumer):
        records |= _newest(await consumer.getmany(timeout_ms=_FIRST_POLL_MS))
    return records


def _newest(batches: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> _Records:
    """Return the newest record of each key. Records without a key or a JSON object are skipped."""
    records: _Records = {}
    for record in (record for found in batches.values() for record in found):
        if record.key is None:
            skip(record, "invalid", "no key")
            continue
        try:
            row = parse_row(record.value)
        except (ValueError, RecursionError):
            skip(record, "invalid", "not a JSON object")
        else:
            records[record.key.decode("utf-8", "backslashreplace")] = (record, row)
    return records


async def _at_end(consumer: AIOKafkaConsumer) -> bool:
    for partition in consumer.assignment():
        end = readable_end(consumer, partition)
        if end is None or await consumer.position(partition) < end:
            return False
    return True
