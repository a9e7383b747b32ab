"""A broker that has just come up may name no broker at all. aiokafka then fails an assertion in a task of its own,
and the consumer never joins its group; for Faust's consumer that is a worker that stands still for ever."""

from __future__ import annotations

from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

_lookup: Final = AIOKafkaClient.coordinator_lookup


async def _lookup_or_wait(self: AIOKafkaClient, coordinator_type: int, coordinator_key: str) -> Any:
    if self.get_random_node() is None:
        # aiokafka asks for metadata and tries again after this one.
        raise GroupCoordinatorNotAvailableError("the cluster names no broker yet")
    return await _lookup(self, coordinator_type, coordinator_key)


def wait_for_named_brokers() -> None:
    """Make every aiokafka client of this process wait, and try again, where it would fail the assertion."""
    AIOKafkaClient.coordinator_lookup = _lookup_or_wait
