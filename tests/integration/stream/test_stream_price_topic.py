"""Rows of the compacted topic on real brokers: in force in every worker from their date until they are removed."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError

from spendmeter_clickhouse import Store
from spendmeter_events import KafkaConnection
from spendmeter_events.topics import PRICES, topic_specs
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.price_feed import PriceFeed, read_price_rows
from spendmeter_stream.pricing import PriceBookWatcher
from spendmeter_stream.runtime.background import BackgroundTasks
from spendmeter_stream.runtime.health import WorkerHealth
from tests.support.pricing import write_book
from tests.support.records import record
from tests.support.until import until
from tests.support.worker import count, publish, stream_settings, working

BOOK = """
provider = "openai"
[[price]]
models = ["gpt-4o"]
from = "beginning"
per_million = { input_tokens = 2, output_tokens = 10 }
source = "test"
verified_at = 2026-11-01
"""


def row(input_rate: str, **changes: Any) -> bytes:
    """Return a new price of gpt-4o from 12:00."""
    fields = {
        "provider": "openai",
        "models": ["gpt-4o"],
        "from": "2026-11-02T12:00:00Z",
        "per_million": {"input_tokens": input_rate},
        "source": "contract",
        "verified_at": "2026-11-02",
        **changes,
    }
    return json.dumps(fields).encode()


async def put(connection: KafkaConnection, key: str | None, value: bytes | None) -> None:
    producer = AIOKafkaProducer(**connection.client_options())
    await producer.start()
    try:
        await producer.send_and_wait(PRICES, key=None if key is None else key.encode(), value=value)
    finally:
        await producer.stop()


@pytest.fixture
def book(tmp_path: Path) -> Path:
    write_book(tmp_path / "prices", openai=BOOK)
    return tmp_path / "prices"


@pytest.fixture
async def feed(fresh_tansu: Any, book: Path) -> Any:
    """Yield a started feed, as in a worker, and its watcher."""
    options = fresh_tansu.connection.client_options()
    await ensure_topics(options, usage_partitions=1)
    watcher = PriceBookWatcher(directory=book)
    service = PriceFeed(watcher=watcher, client_options=options, tasks=BackgroundTasks(WorkerHealth()))
    await service.start()
    yield watcher
    await service.stop()


def test_the_topic_is_compacted() -> None:
    (spec,) = [spec for spec in topic_specs(usage_partitions=4) if spec.name == PRICES]
    assert spec.config == {"cleanup.policy": "compact"}


async def test_a_row_prices_events_from_its_date_on(fresh_tansu: Any, book: Path, store: Store) -> None:
    """Events in flight when the row arrives keep the price in force when they occurred."""
    settings = stream_settings(fresh_tansu.connection, prices_path=book)
    usage: dict[str, Any] = {"org_id": "dated", "input_tokens": 1_000_000, "output_tokens": 0}
    async with working(settings, store) as worker:
        await publish(fresh_tansu.connection, [record(1, occurred_at="2026-11-02T13:00:00.000Z", **usage)])
        await _stored(store, 1)
        version = worker.prices.book.version
        await put(fresh_tansu.connection, "gpt-4o", row("3"))
        await until(lambda: worker.prices.book.version != version)
        late = record(2, occurred_at="2026-11-02T11:59:59.999Z", **usage)
        new = record(3, occurred_at="2026-11-02T12:00:00.000Z", **usage)
        await publish(fresh_tansu.connection, [late, new])
        await _stored(store, 3)
    with store.session("test") as session:
        answer = await session.query("SELECT cost FROM usage_events WHERE org_id = 'dated' ORDER BY event_id")
    assert [cost for (cost,) in answer.result_rows] == [Decimal(2), Decimal(2), Decimal(3)]


async def test_a_worker_that_starts_later_prices_with_all_rows(fresh_tansu: Any, book: Path, store: Store) -> None:
    await ensure_topics(fresh_tansu.connection.client_options(), usage_partitions=1)
    await put(fresh_tansu.connection, "gpt-4o", row("4"))
    await put(fresh_tansu.connection, "gpt-4o", row("5"))
    settings = stream_settings(fresh_tansu.connection, prices_path=book, topic_id="later")
    occurred: dict[str, Any] = {
        "occurred_at": "2026-11-02T12:30:00.000Z",
        "org_id": "later",
        "input_tokens": 10**6,
        "output_tokens": 0,
    }
    await publish(fresh_tansu.connection, [record(11, **occurred)])
    async with working(settings, store):
        for _ in range(600):
            if await count(store, "later") == 1:
                break
            await asyncio.sleep(0.1)
    with store.session("test") as session:
        answer = await session.query("SELECT cost FROM usage_events WHERE org_id = 'later'")
    assert answer.result_rows == [(Decimal(5),)]


async def test_a_row_can_be_taken_back(fresh_tansu: Any, feed: PriceBookWatcher) -> None:
    without = feed.book.version
    await put(fresh_tansu.connection, "gpt-4o", row("3"))
    await until(lambda: feed.book.version != without)
    assert feed.rows.keys() == {"gpt-4o"}
    await put(fresh_tansu.connection, "gpt-4o", None)
    await until(lambda: feed.book.version == without)
    assert feed.rows == {}


async def test_invalid_rows_change_nothing_and_do_not_block_valid_rows(
    fresh_tansu: Any, feed: PriceBookWatcher
) -> None:
    without = feed.book.version
    for key, value in (
        ("a", b"{oops"),
        ("b", b"[1]"),
        ("c", row("3", models=["gpt-4o"], typo=1)),
        (None, row("9")),
    ):
        await put(fresh_tansu.connection, key, value)
    await put(fresh_tansu.connection, "good", row("3"))
    await until(lambda: feed.book.version != without)
    assert feed.rejected.keys() == {"c"}
    assert (await read_price_rows(fresh_tansu.connection.client_options())).keys() == {"c", "good"}


async def test_a_changed_file_is_still_followed(book: Path, feed: PriceBookWatcher) -> None:
    before = feed.book.version
    write_book(book, openai=BOOK.replace("input_tokens = 2,", "input_tokens = 2.5,"))
    await until(lambda: feed.book.version != before)
    assert feed.rejected == {}


async def test_a_command_reports_a_missing_topic(fresh_tansu: Any) -> None:
    with pytest.raises(UnknownTopicOrPartitionError, match=PRICES):
        await read_price_rows(fresh_tansu.connection.client_options())


async def _stored(store: Store, events: int) -> None:
    for _ in range(600):
        if await count(store, "dated") == events:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{await count(store, 'dated')} of {events} events are stored")
