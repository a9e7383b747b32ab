"""The ingest's consumer: how it is made, and whether its tasks inside aiokafka still run."""

from __future__ import annotations

from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from spendmeter_stream.kafka.batches import open_reader
from spendmeter_stream.settings import StreamSettings

FETCH_BYTES: Final = 2 * 2**20


def make_consumer(settings: StreamSettings) -> AIOKafkaConsumer:
    """Return the consumer of the group, not started."""
    return open_reader(
        client_options=settings.client_options(),
        group_id=settings.group,
        # A reset by itself would pass over what retention removed, and nobody would count it.
        auto_offset_reset="none",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_bytes=16 * FETCH_BYTES,
        session_timeout_ms=settings.session_timeout_ms,
        # aiokafka's own 3 s would let a session of 3 s or less end between two beats.
        heartbeat_interval_ms=settings.session_timeout_ms // 4,
        rebalance_timeout_ms=settings.rebalance_timeout_ms,
        # A partition task waits outages out; that a worker is gone, the group learns from its heartbeat.
        max_poll_interval_ms=24 * 60 * 60 * 1000,
    )


def group_error(consumer: AIOKafkaConsumer) -> KafkaError | None:
    """Take the error that made the consumer wait, if any, so that it asks the group again.

    aiokafka raises it at the next poll and does nothing until then. A worker without partitions never polls.
    """
    coordinator: Any = consumer._coordinator
    if coordinator._coordination_task.done():
        return None
    try:
        coordinator.check_errors()
    except KafkaError as error:
        return error
    return None


def dead_task(consumer: AIOKafkaConsumer) -> str | None:
    """Name a task of the consumer that has ended, and why; such a consumer never fetches or rejoins again."""
    # aiokafka has no public names for these; the version is pinned, and a test fails if they change.
    tasks = {"coordination": consumer._coordinator._coordination_task, "fetch": consumer._fetcher._fetch_task}
    for name, task in tasks.items():
        if task.done():
            error = None if task.cancelled() else task.exception()
            return f"the consumer's {name} task ended: {error or 'it was cancelled'}"
    return None
