"""Spend of budgets of any dimension equals the raw events, in each org's month."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.budgets import Budget, calendar_month
from spendmeter_clickhouse.budgets.month_spend import MonthSpend, users_of_defaults
from tests.support.usage import insert_usage, usage_row

NOW = datetime(2026, 11, 3, 9, 7, tzinfo=UTC)
ZONES = {"acme": ZoneInfo("Asia/Kathmandu"), "beta": ZoneInfo("America/New_York")}


def budget(number: int, scope: str, value: str = "", **fields: Any) -> Budget:
    known = {"org_id": "acme", "user_id": "", "feature": "", "currency": "USD", "value": value, **fields}
    return Budget(budget_id=UUID(int=number), scope=scope, amount=Decimal(1), updated_at=NOW, **known)


BUDGETS = [
    budget(1, "org"),
    budget(2, "user", user_id="ann"),
    budget(3, "feature", feature="chat", org_id=""),
    budget(4, "role", "student", org_id=""),
    budget(5, "class", "7"),
    budget(6, "section", "A", class_name="7", org_id="beta"),
    budget(7, "model", "gpt-4o"),
    budget(8, "agent", "tutor", org_id=""),
    budget(9, "tag", "env:prod"),
    budget(10, "model", "gpt-4o", org_id="beta"),
]


def rows() -> list[dict[str, Any]]:
    """Return calls around the starts of three months, until a second before now."""
    chosen = random.Random(4)
    starts = [datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in (-6, 0, 4)]
    times = [start + timedelta(seconds=chosen.randint(-7200, 7200)) for start in starts for _ in range(12)]
    times += [NOW - timedelta(seconds=chosen.randint(1, 250_000)) for _ in range(160)]
    return [
        usage_row(
            number,
            moment.replace(microsecond=chosen.randrange(1000) * 1000),
            org_id=chosen.choice(["acme", "beta"]),
            user_id=chosen.choice(["ann", "bob", "system"]),
            role=chosen.choice(["student", "teacher"]),
            class_name=chosen.choice(["7", "8"]),
            section=chosen.choice(["A", "B"]),
            feature=chosen.choice(["chat", "quiz"]),
            model=chosen.choice(["gpt-4o", "gpt-4o-mini"]),
            agent_id=chosen.choice(["tutor", ""]),
            tags=chosen.choice([{"env": "prod"}, {"env": "test"}, {}]),
            key_source=chosen.choice(["platform", "platform", "byok"]),
            input_cost=Decimal(chosen.randint(1, 10**9)).scaleb(-12),
        )
        for number, moment in enumerate(times, start=1)
    ]


def expected(budget: Budget, calls: list[dict[str, Any]]) -> Decimal:
    start, _ = calendar_month(NOW, ZONES.get(budget.org_id, ZoneInfo("UTC")))
    return sum(
        (
            row["input_cost"]
            for row in calls
            if row["key_source"] == "platform"
            and row["occurred_at"] >= start
            and all(_value(row, column) in values for column, values in budget.filters().items())
        ),
        Decimal(0),
    )


def _value(row: dict[str, Any], column: str) -> Any:
    return row["tags"].get(column.removeprefix("tag:")) if column.startswith("tag:") else row[column]


async def test_spend_equals_the_raw_events_to_the_pico_dollar(any_store: Store) -> None:
    calls = rows()
    await asyncio.to_thread(insert_usage, any_store, calls)
    each = [budget(20, "user", user_id="*"), budget(21, "user", user_id="*", role="teacher", org_id="beta")]
    with any_store.session("spend") as session:
        spend = MonthSpend(session=session)
        # Read twice: the second time with the cached closed part.
        for _ in range(2):
            found = await spend.read(NOW, budgets=[*BUDGETS, *each], zones=ZONES)
    assert {it.budget_id.int: found[it.budget_id] for it in BUDGETS} == {
        it.budget_id.int: {"": expected(it, calls)} for it in BUDGETS
    }
    assert all(found[it.budget_id][""] > 0 for it in BUDGETS)
    # Ann has a budget of her own, and calls without a user are no user's.
    assert found[UUID(int=20)] == {"bob": expected(budget(0, "user", user_id="bob"), calls)}
    teachers = {user: budget(0, "user", user_id=user, role="teacher", org_id="beta") for user in ("ann", "bob")}
    assert found[UUID(int=21)] == {user: expected(it, calls) for user, it in teachers.items()}


def test_a_call_counts_against_the_default_of_its_role_and_else_of_its_org() -> None:
    defaults = [budget(1, "user", user_id="*"), budget(2, "user", user_id="*", role="student")]
    amounts = {
        ("acme", "ann", "student"): Decimal(1),
        ("acme", "ann", ""): Decimal(2),
        ("acme", "bob", "teacher"): Decimal(4),
        ("acme", "own", "student"): Decimal(8),
        ("beta", "eve", "student"): Decimal(16),
    }
    assert users_of_defaults(defaults, amounts, {("acme", "own")}) == {
        UUID(int=1): {"ann": Decimal(2), "bob": Decimal(4)},
        UUID(int=2): {"ann": Decimal(1)},
    }
