"""Offsets that the group committed. The metadata of a commit names the topic epoch that the offset belongs to."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


async def committed_offset(consumer: AIOKafkaConsumer, partition: TopicPartition, *, topic_id: str) -> int | None:
    """Return the group's offset in the epoch `topic_id`; None if there is none, or if it belongs to another epoch.

    A commit without metadata counts: other tools and older workers write none.
    """
    coordinator: Any = consumer._coordinator
    found = (await coordinator.fetch_committed_offsets([partition])).get(partition)
    if found is None or found.offset < 0 or found.metadata not in ("", None, topic_id):
        return None
    return int(found.offset)
