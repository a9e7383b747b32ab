"""Budgets in a real store: the newest version counts, deleted ones disappear, and each has its org's month."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.budgets import Budget, calendar_month, list_budgets, org_zones, write_budget

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ACME = Budget(UUID(int=1), "org", "acme", "", "", Decimal("250.000000000001"), "INR", NOW)
ANN = Budget(UUID(int=2), "user", "acme", "ann", "", Decimal(5), "USD", NOW)
CHAT = Budget(UUID(int=3), "feature", "", "", "chat", Decimal(90), "EUR", NOW)


async def test_the_newest_version_counts_until_it_is_deleted(any_store: Store) -> None:
    """Row 17."""
    with any_store.session("budgets") as session:
        for budget in (CHAT, ANN, ACME):
            await write_budget(session, budget)
        raised = replace(ACME, amount=Decimal(300), updated_at=NOW + timedelta(seconds=1))
        await write_budget(session, raised)
        assert await list_budgets(session) == [CHAT, raised, ANN]
        assert await list_budgets(session, orgs=["acme"]) == [raised, ANN]
        assert await list_budgets(session, orgs=[]) == []
        await write_budget(session, ANN, deleted=True)
        assert await list_budgets(session) == [CHAT, raised]
        # A clock that is behind still writes the newest version.
        again = await write_budget(session, replace(ANN, updated_at=NOW - timedelta(hours=1)))
        assert again.updated_at == NOW + timedelta(milliseconds=2)
        assert await list_budgets(session) == [CHAT, raised, again]


async def test_a_zone_that_does_not_exist_stops_no_other(any_store: Store) -> None:
    rows = [("acme", "Asia/Kathmandu"), ("beta", "Mars/Olympus"), ("gamma", "../../etc/passwd"), ("delta", "")]
    with any_store.session("zones") as session:
        await session.insert("orgs", [(*row, NOW) for row in rows], ["org_id", "timezone", "updated_at"])
        assert await org_zones(session) == {"acme": ZoneInfo("Asia/Kathmandu")}


def test_a_budget_filters_by_what_it_is_about() -> None:
    assert ACME.filters() == {"org_id": ("acme",)}
    assert ANN.filters() == {"org_id": ("acme",), "user_id": ("ann",)}
    assert CHAT.filters() == {"feature": ("chat",)}


@pytest.mark.parametrize(
    ("now", "zone", "start", "end"),
    [
        ("2026-11-30T18:14Z", "Asia/Kathmandu", "2026-10-31T18:15Z", "2026-11-30T18:15Z"),
        ("2026-11-30T18:15Z", "Asia/Kathmandu", "2026-11-30T18:15Z", "2026-12-31T18:15Z"),
        ("2028-02-29T23:59Z", "UTC", "2028-02-01T00:00Z", "2028-03-01T00:00Z"),
        ("2026-03-01T04:59Z", "America/New_York", "2026-02-01T05:00Z", "2026-03-01T05:00Z"),
        ("2026-03-15T12:00Z", "America/New_York", "2026-03-01T05:00Z", "2026-04-01T04:00Z"),
    ],
)
def test_a_month_is_the_zones_own(now: str, zone: str, start: str, end: str) -> None:
    month = calendar_month(datetime.fromisoformat(now), ZoneInfo(zone))
    assert month == (datetime.fromisoformat(start), datetime.fromisoformat(end))
