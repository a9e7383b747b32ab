"""Repricing against a real store: exact and idempotent, and the rollups follow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.maintenance.surplus import remove_surplus
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.reprice import CallSelection, append_adjustments, compare, lease
from tests.support.records import event
from tests.support.repricing import (
    ALL,
    apply,
    blank,
    calls,
    ensure_rollups_equal_raw,
    expected,
    first_book,
    insert,
    second_book,
    sums,
)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    return first_book(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    return second_book(tmp_path_factory.mktemp("second"))


@pytest.fixture
async def session(store: Store) -> AsyncIterator[Session]:
    with store.session("reprice-test") as opened:
        await blank(opened)
        yield opened


async def test_totals_and_adjustments_are_the_new_books_totals(
    session: Session, first: PriceBook, second: PriceBook
) -> None:
    events = calls()
    await insert(session, events, first)
    before = await sums(session)
    assert before == expected(events, first)

    difference = await compare(session, ALL, second, size=37)
    assert await sums(session) == before
    appended = await apply(session, second, size=37)

    assert appended == difference.total().changed > 0
    after = await sums(session)
    assert after == expected(events, second)
    assert after["cost"] - before["cost"] == difference.total().delta
    assert after["unpriced_requests"] == 0 < before["unpriced_requests"]
    await ensure_rollups_equal_raw(session)


async def test_the_difference_is_shown_by_model_with_newly_priced_calls(
    session: Session, first: PriceBook, second: PriceBook
) -> None:
    events = calls()
    await insert(session, events, first)
    lines = (await compare(session, ALL, second)).lines
    assert set(lines) == {(e.provider, e.model) for e in events}
    known = lines["openai", "new-model"]
    assert known.old == 0 < known.new
    assert known.statuses == {("unpriced", "priced"): known.events}
    assert lines["anthropic", "claude-x"].changed == 0 == lines["anthropic", "claude-x"].delta


async def test_a_reported_cost_stays_until_the_book_has_a_rate(
    session: Session, first: PriceBook, second: PriceBook
) -> None:
    """Given a model without a rate and a reported cost, then only a new rate replaces it."""
    reported = event(model="new-model", provider_cost_usd=0.0125, tags={"cost_source": "usage.cost"})
    await insert(session, [reported], first)

    assert (await sums(session))["cost"] == Decimal("0.0125")
    assert await apply(session, first) == 0
    assert await apply(session, second) == 1
    assert (await sums(session))["cost"] == Decimal("0.0012")


async def test_a_second_run_adds_nothing(session: Session, first: PriceBook, second: PriceBook) -> None:
    await insert(session, calls(), first)
    await apply(session, second)
    stored = await session.query("SELECT count() FROM usage_events")
    assert await apply(session, second) == 0
    assert (await compare(session, ALL, second)).total().changed == 0
    assert (await session.query("SELECT count() FROM usage_events")).result_rows == stored.result_rows


async def test_going_back_and_forth_is_exact_and_no_id_is_used_twice(
    session: Session, first: PriceBook, second: PriceBook
) -> None:
    events = calls()
    await insert(session, events, first)
    for book in (second, first, second, first):
        assert await apply(session, book) > 0
        assert await sums(session) == expected(events, book)
    answer = await session.query("SELECT count() = uniqExact(event_id) FROM usage_events")
    assert answer.result_rows == [(1,)]
    await ensure_rollups_equal_raw(session)


async def test_only_selected_calls_are_repriced(session: Session, first: PriceBook, second: PriceBook) -> None:
    events = calls()
    await insert(session, events, first)
    october = CallSelection(
        start=datetime(2026, 10, 1, tzinfo=UTC),
        end=datetime(2026, 11, 1, tzinfo=UTC),
        providers=("openai",),
        models=("gpt-4o",),
        orgs=("a",),
    )
    await apply(session, second, october)
    chosen = [e for e in events if e.occurred_at.month == 10 and (e.model, e.org_id) == ("gpt-4o", "a")]
    others = [e for e in events if e not in chosen]
    assert (await sums(session))["cost"] == expected(chosen, second)["cost"] + expected(others, first)["cost"]
    answer = await session.query("SELECT DISTINCT model, org_id FROM usage_events WHERE kind = 'adjustment'")
    assert answer.result_rows == [("gpt-4o", "a")]


async def test_an_adjustment_is_its_calls_shadow(session: Session, first: PriceBook, second: PriceBook) -> None:
    (call,) = [event(7, model="gpt-4o", cache_read_tokens=1000, tags={"team": "x"})]
    await insert(session, [call], first)
    await apply(session, second)
    answer = await session.query(
        "SELECT adjusts, adjustment, requests, input_tokens, latency_ms, tags, pricing_status, price_version,"
        " partial_requests, cost, occurred_at FROM usage_events WHERE kind = 'adjustment'"
    )
    delta = expected([call], second)["cost"] - expected([call], first)["cost"]
    assert answer.result_rows == [
        (UUID(int=7), 1, 0, 0, None, {"team": "x"}, "priced", second.version, -1, delta, call.occurred_at)
    ]


async def test_a_large_hour_is_repriced_in_slices(session: Session, first: PriceBook, second: PriceBook) -> None:
    events = [event(number, model="new-model") for number in range(1, 51)]
    await insert(session, events, first)
    await apply(session, second, size=20)
    assert await sums(session) == expected(events, second)
    await apply(session, first, size=25)
    assert await sums(session) == expected(events, first)


async def test_calls_stored_meanwhile_wait_for_the_next_run(
    session: Session, first: PriceBook, second: PriceBook
) -> None:
    events, late = calls(seed=1), calls(seed=2)
    await insert(session, events, first)
    async with lease(session, ALL, second.version, seconds=60) as leased:
        seen: list[int] = []
        await append_adjustments(leased, second, size=50, progress=lambda done, total: seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == len(events)
    await insert(session, late, first)
    assert (await sums(session))["cost"] == expected(events, second)["cost"] + expected(late, first)["cost"]
    await apply(session, second)
    assert await sums(session) == expected([*events, *late], second)
    await ensure_rollups_equal_raw(session)


async def test_costs_may_be_negative_and_sums_stay_exact(session: Session, first: PriceBook, second: PriceBook) -> None:
    (call,) = [event(9, model="gpt-4o", input_tokens=2**40, output_tokens=2**40)]
    await insert(session, [call], first)
    await apply(session, second)
    answer = await session.query("SELECT cost FROM usage_events WHERE kind = 'adjustment'")
    assert answer.result_rows[0][0] == 2**40 * (Decimal("11.123458") - Decimal("12.5")) / 10**6


async def test_a_call_with_a_surplus_copy_is_repriced_once(
    session: Session, first: PriceBook, second: PriceBook
) -> None:
    events = calls(20)
    await insert(session, events, first)
    await insert(session, events, first, where=Coordinates("life", 1))
    for book in (second, first, second):
        assert await apply(session, book) > 0
    now = datetime.now(UTC)
    assert await remove_surplus(session, since=now - timedelta(days=1), until=now + timedelta(minutes=1)) == 20
    assert await sums(session) == expected(events, second)
    assert await apply(session, second) == 0
