"""A cluster without brokers in its metadata is an outage, not a bug."""

from __future__ import annotations

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from spendmeter_stream.kafka.coordinator import _lookup, wait_for_named_brokers
from spendmeter_stream.retry import OUTAGES


async def test_a_client_without_brokers_receives_a_retriable_error() -> None:
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    client.cluster._bootstrap_brokers = {}  # noqa: SLF001 - a state that no public call reaches
    # The premise, as long as aiokafka behaves like this.
    with pytest.raises(AssertionError):
        await _lookup(client, 0, "group")
    wait_for_named_brokers()
    with pytest.raises(GroupCoordinatorNotAvailableError) as raised:
        await client.coordinator_lookup(0, "group")
    assert raised.value.retriable
    assert isinstance(raised.value, OUTAGES)
    await client.close()
