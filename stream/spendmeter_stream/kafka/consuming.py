"""The consumer of the usage topic: its configuration, and health checks of aiokafka's internal tasks."""

from __future__ import annotations

from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from spendmeter_stream.kafka.batches import open_reader
from spendmeter_stream.settings import StreamSettings

FETCH_BYTES: Final = 2 * 2**20


def make_consumer(settings: StreamSettings) -> AIOKafkaConsumer:
    """Return the group's consumer. It is not started."""
    return open_reader(
        client_options=settings.client_options(),
        group_id=settings.group,
        # An automatic reset would skip offsets that retention removed without counting them.
        auto_offset_reset="none",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_bytes=16 * FETCH_BYTES,
        session_timeout_ms=settings.session_timeout_ms,
        # With aiokafka's default of 3 s, a session of 3 s or less could expire between two heartbeats.
        heartbeat_interval_ms=settings.session_timeout_ms // 4,
        rebalance_timeout_ms=settings.rebalance_timeout_ms,
        # Partition tasks may block during outages; heartbeats detect dead workers.
        max_poll_interval_ms=24 * 60 * 60 * 1000,
    )


def group_error(consumer: AIOKafkaConsumer) -> KafkaError | None:
    """Return and clear the coordinator's pending error, if any, so that the consumer rejoins the group.

    aiokafka raises it at the next poll and does not rejoin before. A worker without partitions never polls.
    """
    coordinator: Any = consumer._coordinator
    if coordinator._coordination_task.done():
        return None
    try:
        coordinator.check_errors()
    except KafkaError as error:
        return error
    return None


def find_topic(consumer: AIOKafkaConsumer, topic: str) -> None:
    """Request metadata if the cluster had no `topic` when it was last asked, so that a recreated topic is assigned.

    aiokafka asks again only after `metadata_max_age_ms`, five minutes by default.
    """
    if not consumer.partitions_for_topic(topic):
        consumer._client.force_metadata_update()


def dead_task(consumer: AIOKafkaConsumer) -> str | None:
    """Describe an internal task of the consumer that has ended. Such a consumer never fetches or rejoins again."""
    # Private attributes of aiokafka: the version is pinned, and a test fails if they change.
    tasks = {"coordination": consumer._coordinator._coordination_task, "fetch": consumer._fetcher._fetch_task}
    for name, task in tasks.items():
        if task.done():
            error = None if task.cancelled() else task.exception()
            return f"the consumer's {name} task ended: {error or 'it was cancelled'}"
    return None
