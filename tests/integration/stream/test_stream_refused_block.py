"""A block that ClickHouse refuses: the partition counts as stopped, and continues once the cause is removed."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from spendmeter_clickhouse import Store, StoreSettings, StoreUnreachableError, migrate
from spendmeter_clickhouse.errors import StoreError
from spendmeter_stream.retry import REFUSALS, on_refused, retry_forever
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.records import record
from tests.support.until import until
from tests.support.worker import count, publish, stream_settings, working


@pytest.fixture
async def store(clickhouse_http: ClickHouseHttp) -> AsyncIterator[Store]:
    with Store(StoreSettings(store_dsn=clickhouse_http.dsn_of("refused"))) as store:
        await migrate(store)
        yield store


def stopped() -> float:
    return REGISTRY.get_sample_value("spendmeter_partition_stopped", {"partition": "0"}) or 0.0


async def test_a_refused_block_stops_the_partition_visibly_and_is_stored_later(
    fresh_tansu: Any, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    settings = stream_settings(fresh_tansu.connection, usage_partitions=1)
    session = store.session("operator")
    async with working(settings, store) as worker:
        await session.command("ALTER TABLE usage_events ADD CONSTRAINT broken CHECK org_id != 'refused'")
        with caplog.at_level(logging.ERROR):
            await publish(fresh_tansu.connection, [record(number, org_id="refused") for number in range(8001, 8004)])
            await until(lambda: stopped() == 1)
        assert "partition 0 stopped, operator action required: the store refused step" in caplog.text
        assert any("the store refused step" in reason for reason in worker.health.failures().values())
        await session.command("ALTER TABLE usage_events DROP CONSTRAINT broken")
        await until(worker.ingest.caught_up)
        await until(lambda: stopped() == 0 and not worker.health.failures())
    assert await count(store, "refused") == 3


@pytest.mark.parametrize(
    ("error", "reported"),
    [
        (StoreError("Code: 53. Type mismatch in 5 rows (TYPE_MISMATCH)"), 1),
        (StoreError("Memory limit exceeded (MEMORY_LIMIT_EXCEEDED)"), 0),
        (StoreUnreachableError("no answer"), 0),
        (OSError("no route"), 0),
    ],
)
async def test_only_a_refusal_that_waiting_does_not_end_is_reported_and_once(error: Exception, reported: int) -> None:
    reasons: list[str] = []
    on_refused.set(reasons.append)
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= REFUSALS + 1:
            raise error

    await retry_forever("insert", attempt)
    assert len(reasons) == reported
