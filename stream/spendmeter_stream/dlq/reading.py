"""Read the dead-letter topic from its beginning to its end offsets at the first fetch."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from spendmeter_events.topics import USAGE_DLQ
from spendmeter_stream.dlq.dead_letters import MAX_BYTES
from spendmeter_stream.dlq.letters import DeadLetter, DeadLetterCounts, dead_letter
from spendmeter_stream.errors import SetupError
from spendmeter_stream.kafka.batches import open_reader, readable_end
from spendmeter_stream.poison import skip
from spendmeter_stream.settings import KafkaSettings

_POLL_MS: Final = 500
_SILENT_POLLS: Final = 20
"""Empty polls before the read fails: the broker is gone, or never returns the records up to the end offset."""


async def dead_letters(settings: KafkaSettings) -> AsyncIterator[DeadLetter]:
    """Yield every dead letter, oldest first within a partition.

    :raises SetupError: the topic does not exist, or returns no records before its end.
    :raises KafkaError: no broker answers.
    """
    consumer = open_reader(
        USAGE_DLQ,
        client_options=settings.client_options(),
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_BYTES,
    )
    await consumer.start()
    try:
        ends = _Ends(consumer)
        while not await ends.reached():
            batches = await consumer.getmany(timeout_ms=_POLL_MS)
            ends.polled(any(batches.values()))
            for partition, records in batches.items():
                for record in records:
                    if ends.includes(partition, record.offset) and (letter := _letter(record)):
                        yield letter
    finally:
        await consumer.stop()


async def count_dead_letters(settings: KafkaSettings) -> DeadLetterCounts:
    """Count dead letters by error code. Raises like `dead_letters`."""
    codes: Counter[str] = Counter()
    async for letter in dead_letters(settings):
        codes[letter.code] += 1
    return DeadLetterCounts(total=codes.total(), by_code=dict(codes.most_common()))


def _letter(record: ConsumerRecord) -> DeadLetter | None:
    try:
        return dead_letter(record)
    except Exception as error:
        skip(record, "invalid", error)
        return None


class _Ends:
    """End offset of each partition at its first fetch. Later records are not read."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._ends: dict[TopicPartition, int] = {}
        self._silent = 0

    def polled(self, got_records: bool) -> None:
        # Some brokers answer ListOffsets wrongly; the end offset in a fetch response is exact.
        for partition in self._consumer.assignment():
            end = readable_end(self._consumer, partition)
            if end is not None:
                self._ends.setdefault(partition, end)
        self._silent = 0 if got_records else self._silent + 1

    def includes(self, partition: TopicPartition, offset: int) -> bool:
        return offset < self._ends[partition]

    async def reached(self) -> bool:
        assigned = self._consumer.assignment()
        if self._silent >= _SILENT_POLLS:
            raise SetupError(
                f"{USAGE_DLQ} cannot be read to its end. Check that the topic exists and that the broker answers."
            )
        if not assigned or assigned != self._ends.keys():
            return False
        return all([await self._consumer.position(partition) >= end for partition, end in self._ends.items()])
