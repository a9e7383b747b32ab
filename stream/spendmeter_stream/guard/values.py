"""The guard's data at one time, as plain values. Money is USD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from spendmeter_clickhouse.budgets import Budget, BudgetScope, calendar_month

Window = Literal["15m", "1h", "6h", "month_to_date"]


class Key(NamedTuple):
    """A spender: an org (`name` repeats it), a user, a feature of an org, or (no `org_id`) a feature over all orgs."""

    scope: BudgetScope
    org_id: str
    name: str


TOTAL = Key("org", "", "")
"""Spend of the whole platform."""


@dataclass(frozen=True, slots=True)
class Spend:
    """Spend of a key in the windows that end now."""

    quarter: Decimal = Decimal(0)
    hour: Decimal = Decimal(0)
    six_hours: Decimal = Decimal(0)
    month: Decimal = Decimal(0)
    """Since the start of the calendar month in the time zone of the key's org, by default UTC."""

    def windows(self) -> dict[Window, Decimal]:
        """Return the spend by window name."""
        return {"15m": self.quarter, "1h": self.hour, "6h": self.six_hours, "month_to_date": self.month}


@dataclass(frozen=True, slots=True)
class Baseline:
    """Usual spend of a key."""

    same_hours: tuple[float, ...]
    """Spend in the same hour of the last 14 days, newest first; 0 for none."""
    busy: float
    """Spend of a busy hour of the key or of its org; see `queries.BUSY_HOURS`."""
    history_days: int = 28
    """Days with spend, of the last 28, of the key's org; of the platform for a key without org."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All inputs of an evaluation."""

    at: datetime
    spend: Mapping[Key, Spend]
    baselines: Mapping[Key, Baseline] = field(default_factory=dict)
    """Of every org and feature, and of users with significant spend."""
    budgets: Sequence[Budget] = ()
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    """Currency → units per USD, in force at `at`."""
    zones: Mapping[str, ZoneInfo] = field(default_factory=dict)
    """Org → time zone; UTC if missing."""

    def month(self, key: Key) -> tuple[datetime, datetime]:
        """Return the start of the calendar month of `at` for `key`, and the start of the next, UTC."""
        return calendar_month(self.at, self.zones.get(key.org_id, ZoneInfo("UTC")))

    def spend_of(self, key: Key) -> Spend:
        """Return the spend of `key`, by default zero."""
        return self.spend.get(key, Spend())


def key_of(budget: Budget) -> Key:
    """Return the key of a budget."""
    name = {"org": budget.org_id, "user": budget.user_id, "feature": budget.feature}[budget.scope]
    return Key(budget.scope, budget.org_id, name)


def utc(at: datetime) -> datetime:
    """Return `at` in UTC."""
    return at.astimezone(UTC)
