"""Each alert rule over ClickHouse fires on its incident, and not in the quiet fortnight before it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_clickhouse.budgets import Budget, write_budget
from spendmeter_events import UsageEvent
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.pricing import PriceBook
from tests.gate.cases import Case
from tests.gate.macros import expand
from tests.gate.statements import rules, statements
from tests.support.records import event

NOW = datetime(2026, 11, 18, 10, 20, tzinfo=UTC)
QUIET = NOW - timedelta(hours=3)
RULES = {rule["title"]: rule for rule in rules()}
SPIKE, SILENCE = "SpendSpike", "No events stored"
UNPRICED, ERRORS = "Unpriced usage", "Provider errors"
BUDGETS = ("Budget nearly used", "Budget burns too fast")
MILLION = 1_000_000
"""Input tokens of gpt-4o-mini: 0.15 USD."""


def calls(start: datetime, count: int, **changes: Any) -> list[dict[str, Any]]:
    """Return `count` calls of one school, one per minute."""
    common = {"org_id": "school-1", "provider": "openai", "model": "gpt-4o-mini", "input_tokens": MILLION, **changes}
    return [{**common, "occurred_at": (start + timedelta(minutes=minute)).isoformat()} for minute in range(count)]


def usual() -> list[dict[str, Any]]:
    """Return a dozen calls per hour from seven to ten, every day: about 1.80 USD per hour, one failure."""
    hours = [NOW - timedelta(days=day, hours=hour, minutes=15) for day in range(16) for hour in range(4)]
    before = [hour for hour in hours if hour < QUIET]
    return [call for hour in before for call in [*calls(hour, 12), *calls(hour, 1, status="error")]]


def incidents() -> list[dict[str, Any]]:
    """Return the incidents of the last half hour: a loop, a model without a price, a failing provider."""
    start = NOW - timedelta(minutes=29)
    loop = calls(start, 28, input_tokens=30 * MILLION)
    unknown = calls(start, 2, model="newer-than-the-book")
    failing = calls(start, 28, provider="anthropic", model="claude-sonnet-4-5", input_tokens=10, status="error")
    return [*loop, *unknown, *failing]


async def stored(session: Session, fields: Sequence[dict[str, Any]], *, first: int) -> None:
    events: list[UsageEvent] = [event(first + number, **changes) for number, changes in enumerate(fields)]
    where = Coordinates("alerts", 0)
    book, offsets = PriceBook.load(), range(first, first + len(events))
    block = build_block(Events.of(events, offsets), coordinates=where, book=book, users={}, ingested_at=NOW)
    await session.insert_arrow("usage_events", block)


def firing(session: Session, now: datetime) -> dict[str, list[tuple[Any, ...]]]:
    """Return rule → rows above its threshold at `now`."""
    found = {}
    for statement in statements():
        if statement.kind != "alert":
            continue
        sql = expand(statement.sql, Case("now", now, now, "utc").request(statement))
        answer = asyncio.run(session.query(sql))
        if not answer.result_rows:
            continue
        (column,) = [at for at, kind in enumerate(answer.column_types) if "String" not in kind.name]
        threshold = RULES[statement.place]["data"][1]["model"]["conditions"][0]["evaluator"]["params"][0]
        if rows := [tuple(row) for row in answer.result_rows if row[column] > threshold]:
            found[statement.place] = rows
    return found


@pytest.fixture(scope="module")
def session(store: Store) -> Iterator[Session]:
    with store.session("alerts") as opened:
        asyncio.run(_prepared(opened))
        yield opened


async def _prepared(session: Session) -> None:
    await stored(session, usual(), first=1)
    budget = Budget(UUID(int=1), "org", "school-1", "", "", Decimal(250), "USD", NOW)
    await write_budget(session, budget)


def test_a_quiet_fortnight_raises_no_alert_and_each_incident_is_detected(session: Session) -> None:
    assert firing(session, QUIET) == {}
    assert set(firing(session, NOW + timedelta(hours=1))) == {SILENCE}
    asyncio.run(stored(session, incidents(), first=100_000))
    found = firing(session, NOW)
    # The spike is a Prometheus rule: tests/integration/guard/test_prometheus_rules.py.
    assert set(found) == set(RULES) - {SILENCE, SPIKE}
    assert [row[:2] for row in found[UNPRICED]] == [("openai", "newer-than-the-book")]
    assert [[row[:3] for row in found[title]] for title in BUDGETS] == [[("org", "school-1", "")]] * 2
    assert [row[0] for row in found[ERRORS]] == ["anthropic"]
