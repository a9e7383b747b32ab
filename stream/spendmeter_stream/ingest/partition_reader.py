"""Read one partition, and count the offsets that retention removed before they were read."""

from __future__ import annotations

import logging
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, OffsetOutOfRangeError

from spendmeter_stream import metrics
from spendmeter_stream.errors import LogRewoundError
from spendmeter_stream.kafka.batches import readable_end
from spendmeter_stream.kafka.committed import committed_offset
from spendmeter_stream.retry import retry_forever

log = logging.getLogger(__name__)


class PartitionReader:
    """One assigned partition of a consumer with `auto_offset_reset="none"`."""

    def __init__(self, *, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        self._consumer = consumer
        self._partition = partition

    def end(self) -> int | None:
        """The end of the readable log; None before the first fetch."""
        return readable_end(self._consumer, self._partition)

    def answered_at(self) -> int:
        """When the broker last answered a fetch, in Unix ms; 0 before the first answer."""
        return int(self._consumer.last_poll_timestamp(self._partition) or 0)

    def pause(self) -> None:
        """Stop fetching until the next `seek`."""
        # A revoked partition is not fetched anyway.
        with suppress(IllegalStateError):
            self._consumer.pause(self._partition)

    def seek(self, offset: int) -> None:
        """Set the next offset to read, and resume fetching."""
        self._consumer.seek(self._partition, offset)
        self._consumer.resume(self._partition)

    async def position(self) -> int:
        """The next offset to read."""
        return int(await self._consumer.position(self._partition))

    async def committed(self, topic_id: str) -> int:
        """The group's committed offset in this topic epoch, or the log start offset if there is none."""
        committed = await committed_offset(self._consumer, self._partition, topic_id=topic_id)
        return await self.earliest() if committed is None else committed

    async def earliest(self) -> int:
        """The current log start offset."""
        return int((await self._consumer.beginning_offsets([self._partition]))[self._partition])

    async def poll(self, seconds: float, limit: int) -> tuple[list[ConsumerRecord], int]:
        """Return new records and the next offset to read. Gaps from transactions and compaction are not losses.

        :raises LogRewoundError: the log ends before our position.
        """
        timeout_ms = max(1, int(seconds * 1000))
        try:
            batches = await self._consumer.getmany(self._partition, timeout_ms=timeout_ms, max_records=limit)
        except OffsetOutOfRangeError:
            await self._reset_position()
            batches = {}
        return batches.get(self._partition, []), await self.position()

    async def _reset_position(self) -> None:
        wanted = await self.position()
        earliest = await retry_forever("resume", self.earliest)
        if wanted > earliest:
            raise LogRewoundError(self._partition.partition, wanted=wanted, earliest=earliest)
        self.count_lost(wanted, earliest)
        self.seek(earliest)

    def count_lost(self, start: int, end: int) -> None:
        """Log and count the offsets [start, end) as removed by retention. An empty range is ignored."""
        if end <= start:
            return
        number = self._partition.partition
        metrics.OFFSETS_LOST.labels(str(number)).inc(end - start)
        log.error(
            "partition %d: retention removed offsets [%d, %d) before they were known to be stored;"
            " raise retention.ms of %s, or add workers",
            *(number, start, end, self._partition.topic),
        )
