"""Data for the boards: months of sparse demo traffic, and unusual rows that break careless SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from spendmeter_clickhouse import Session, Store, migrate
from spendmeter_events import UsageEvent
from spendmeter_stream.directory import UserAttributes
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.pricing import PriceBook
from tests.support.demo_store import fill_with_demo
from tests.support.records import event
from tests.support.store import open_store

NOW: Final = datetime(2026, 11, 20, 10, 7, 13, tzinfo=UTC)
"""Shortly after the newest event."""
DAYS: Final = 75

QUOTED_ORG: Final = 'd\'Arc-\\new "school"'
QUOTED_USER: Final = "O'Brien\\table"
STUDENT: Final = UserAttributes("student", "9'A", "B\\s")

BUDGETS: Final = (
    ("org", "sunrise-delhi", "", "", 2_000, "INR"),
    ("org", "everest-kathmandu", "", "", 4, "USD"),
    ("org", QUOTED_ORG, "", "", 1, "EUR"),
    ("user", QUOTED_ORG, QUOTED_USER, "", 1, "USD"),
    ("feature", "", "", "chat", 20, "USD"),
    ("feature", QUOTED_ORG, "", "ask'me", 1, "XAU"),
    ("user", "sunrise-delhi", "nobody yet", "", 1, "USD"),
)
"""(scope, org, user, feature, amount, currency): three time zones, one without a rate, one without usage."""


@pytest.fixture(scope="session")
def board_store(_engine: Store, store_folder: Path) -> Iterator[Store]:
    """A store shared by the tests of the boards, which only read."""
    with open_store(store_folder, "boards") as store:
        asyncio.run(migrate(store))
        fill(store)
        yield store


def fill(store: Store) -> None:
    """Insert the data into an empty store."""
    fill_with_demo(store, days=DAYS, end=NOW - timedelta(minutes=3), scale=0.06)
    with store.session("odd") as session:
        asyncio.run(_odd(session))
        # Boards read the dictionaries, which servers reload every few seconds and chDB only when asked.
        for name in ("org_directory", "user_directory"):
            asyncio.run(session.command(f"SYSTEM RELOAD DICTIONARY {name}"))


async def _odd(session: Session) -> None:
    events = list(_odd_events())
    block = build_block(
        Events.of(events),
        coordinates=Coordinates("odd", 0),
        book=PriceBook.load(),
        users={(QUOTED_ORG, QUOTED_USER): STUDENT},
        ingested_at=NOW,
    )
    await session.insert_arrow("usage_events", block)
    rates = [("INR", date(2026, 9, 1), 88.5), ("INR", date(2026, 11, 1), 89.25), ("EUR", date(2026, 9, 1), 0.86)]
    rows = [(code, day, rate, "a bank", NOW) for code, day, rate in rates]
    await session.insert("fx_rates", rows, ["currency", "rate_date", "per_usd", "source", "updated_at"])
    budgets = [(UUID(int=number), *budget, False, NOW) for number, budget in enumerate(BUDGETS, 1)]
    gone = (UUID(int=99), "org", "lakeside-pokhara", "", "", 1, "USD", True, NOW)
    columns = ("budget_id", "scope", "org_id", "user_id", "feature", "amount", "currency", "deleted", "updated_at")
    await session.insert("budgets", [*budgets, gone], list(columns))


def _odd_events() -> list[UsageEvent]:
    """Return events with quoted and escaped names, an unpriced model, errors, cancelled calls, audio, caches."""
    changes: list[dict[str, Any]] = [
        {
            "feature": "ask'me",
            "agent_id": "agent'1",
            "task_id": "t\\1",
            "configuration_id": 'c"1',
            "cache_read_tokens": 900,
        },
        {"feature": "ask'me", "model": "unpriced'model", "cache_read_tokens": 50},
        {"feature": "ask'me", "status": "error", "error_type": "it's broken", "error_message": "can't \\ won't"},
        {"feature": "ask'me", "status": "cancelled", "key_source": "byok"},
        {"feature": "speech", "provider": "azure", "model": "tts", "characters": 4000, "service": "speech"},
    ]
    days = [NOW - timedelta(days=day, minutes=7 * day + 1) for day in range(0, 60, 3)]
    return [
        event(
            10_000 + 10 * number + kind,
            occurred_at=moment.isoformat(),
            org_id=QUOTED_ORG,
            user_id=QUOTED_USER,
            latency_ms=300 + 40 * number,
            **change,
        )
        for number, moment in enumerate(days)
        for kind, change in enumerate(changes)
    ]
