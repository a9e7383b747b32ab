"""The alert topic: written by the leader, and read by the next leader to restore the alert history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from pydantic import ValidationError

from spendmeter_events.alert import SpendAlert
from spendmeter_events.topics import ALERTS
from spendmeter_stream.kafka.batches import open_reader, readable_end
from spendmeter_stream.poison import fault_of, skip

_HISTORY_RECORDS: Final = 5000
"""Records read from the end: more than a bad day has."""
_POLL_MS: Final = 1000


class AlertTopic:
    """Publish and read alerts. The producer starts at first use, so an unreachable broker delays no worker start."""

    def __init__(self, *, client_options: dict[str, Any]) -> None:
        self._options = client_options
        self._producer: AIOKafkaProducer | None = None

    async def publish(self, alerts: Sequence[SpendAlert]) -> None:
        """Publish `alerts` and await every acknowledgement. Raises `KafkaError`; a retry is harmless."""
        if self._producer is None:
            producer = AIOKafkaProducer(**self._options, acks="all")
            await producer.start()
            self._producer = producer
        for alert in alerts:
            await self._producer.send_and_wait(ALERTS, alert.to_json(), key=alert.record_key, partition=0)

    async def close(self) -> None:
        """Close the producer."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def newest(self) -> list[SpendAlert]:
        """Return the newest sent alerts in order. Raises `KafkaError`."""
        partition = TopicPartition(ALERTS, 0)
        consumer = open_reader(client_options=self._options, group_id=None, auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign([partition])
            return await _read(consumer, partition)
        finally:
            await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, partition: TopicPartition) -> list[SpendAlert]:
    found: list[SpendAlert] = []
    consumer.seek(partition, 0)
    moved = False
    while True:
        batch = await consumer.getmany(partition, timeout_ms=_POLL_MS)
        end = readable_end(consumer, partition)
        if end is None:
            continue
        if not moved and end > _HISTORY_RECORDS:
            moved = True
            consumer.seek(partition, end - _HISTORY_RECORDS)
            continue
        found += [alert for record in batch.get(partition, []) if (alert := _parse(record))]
        if await consumer.position(partition) >= end:
            return found


def _parse(record: ConsumerRecord) -> SpendAlert | None:
    try:
        return SpendAlert.model_validate_json(record.value or b"")
    except ValidationError as error:
        skip(record, "invalid", fault_of(error))
    except Exception as error:
        skip(record, "invalid", error)
    return None
