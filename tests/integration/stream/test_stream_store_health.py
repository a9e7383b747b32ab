"""The leader exports parts and free disk of the store; every worker exports its price book's age."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest
from prometheus_client import REGISTRY

from spendmeter_clickhouse import Session, Store
from spendmeter_stream import metrics
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.runtime.store_health import check_store, forget_store


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


@pytest.fixture
async def session(chdb_store: Store) -> AsyncIterator[Session]:
    with chdb_store.session("health") as session:
        yield session
    forget_store()


async def test_parts_of_the_fullest_partition_and_free_disk_are_exported(session: Session) -> None:
    await session.command("SYSTEM STOP MERGES fx_rates")
    for number in range(7):
        await session.insert(
            "fx_rates",
            [("INR", date(2026, 11, number + 1), "84", "test", datetime.now(UTC))],
            ["currency", "rate_date", "per_usd", "source", "updated_at"],
        )
    await check_store(session)
    assert value("spendmeter_store_parts", table="fx_rates") == 7
    free = value("spendmeter_store_disk_free_ratio", disk="default")
    assert free is not None
    assert 0 < free < 1
    checked = value("spendmeter_store_checked_timestamp_seconds")
    assert checked is not None
    assert abs(checked - datetime.now(UTC).timestamp()) < 3600


async def test_a_worker_that_leads_no_more_exports_none(session: Session) -> None:
    await check_store(session)
    forget_store()
    assert value("spendmeter_store_disk_free_ratio", disk="default") is None


def test_the_books_age_is_that_of_its_newest_and_its_oldest_row() -> None:
    book = PriceBook.load()
    newest = max(price.terms.verified_at for price in book.prices)
    oldest = min(row.terms.verified_at for row in book.blocks)
    metrics.show_price_book(book.verified_at, book.oldest_verified_at)
    for name, day in (("verified", newest), ("oldest", oldest)):
        expected = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
        assert value(f"spendmeter_price_book_{name}_timestamp_seconds") == expected
