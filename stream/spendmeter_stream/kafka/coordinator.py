"""Work around an aiokafka assertion: a starting broker may return metadata without any broker.

aiokafka then fails an assertion in a background task, and the consumer never joins its group. A worker whose Faust
consumer is affected hangs."""

from __future__ import annotations

from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

_lookup: Final = AIOKafkaClient.coordinator_lookup


async def _lookup_or_wait(self: AIOKafkaClient, coordinator_type: int, coordinator_key: str) -> Any:
    if self.get_random_node() is None:
        # aiokafka refreshes its metadata and retries after this error.
        raise GroupCoordinatorNotAvailableError("the cluster metadata lists no broker yet")
    return await _lookup(self, coordinator_type, coordinator_key)


def wait_for_named_brokers() -> None:
    """Make every aiokafka client of this process retry instead of failing the assertion."""
    AIOKafkaClient.coordinator_lookup = _lookup_or_wait
