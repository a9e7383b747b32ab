"""Readings for the guard's tests: spend and usual spend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from spendmeter_clickhouse.budgets import Budget
from spendmeter_stream.guard.values import Baseline, Key, Reading, Spend

NOW = datetime(2026, 11, 16, 9, 7, tzinfo=UTC)
"""Hours of a month of 30 days."""
ACME = Key("org", "acme", "acme")
ANN = Key("user", "acme", "ann")
CHAT = Key("feature", "acme", "chat")
CHAT_OF_ALL = Key("feature", "", "chat")


def spend(quarter: float = 0, hour: float = 0, six_hours: float = 0, month: float = 0) -> Spend:
    """Return USD per window; a longer window has at least the spend of a shorter one."""
    hour = max(hour, quarter)
    six_hours = max(six_hours, hour)
    return Spend(*(Decimal(str(amount)) for amount in (quarter, hour, six_hours, max(month, six_hours))))


def usual(*same_hours: float, busy: float = 0.0) -> Baseline:
    """Return a baseline; the last of `same_hours` is repeated up to 14 days."""
    hours = (*same_hours, *[same_hours[-1] if same_hours else 0.0] * (14 - len(same_hours)))
    return Baseline(hours, busy)


def budget(key: Key, amount: float, currency: str = "USD", number: int = 1) -> Budget:
    """Return a monthly budget of `key`."""
    return Budget(
        budget_id=UUID(int=number),
        scope=key.scope,
        org_id=key.org_id,
        user_id=key.name if key.scope == "user" else "",
        feature=key.name if key.scope == "feature" else "",
        amount=Decimal(str(amount)),
        currency=currency,
        updated_at=NOW,
    )


def reading(
    spent: Mapping[Key, Spend],
    baselines: Mapping[Key, Baseline] | None = None,
    budgets: Sequence[Budget] = (),
    **others: Any,
) -> Reading:
    """Return a reading, by default at `NOW` in UTC."""
    return Reading(**{"at": NOW, "spend": spent, "baselines": baselines or {}, "budgets": budgets, **others})
