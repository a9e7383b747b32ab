"""The guard's data at one time, as plain values. Money is USD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from spendmeter_clickhouse.budgets import Budget, BudgetScope, calendar_month
from spendmeter_clickhouse.budgets.states import budget_statuses
from spendmeter_events.gate.status import BudgetStatus

Window = Literal["15m", "1h", "6h", "month_to_date"]


PLAIN_SCOPES: Final = ("org", "user", "feature")
"""Scopes whose spend is read for every key, not only for budgets."""


class Key(NamedTuple):
    """A spender: an org (`name` repeats it), a user, or a value of another dimension. No `org_id`: over all orgs."""

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
    budget_spend: Mapping[UUID, Mapping[str, Decimal]] = field(default_factory=dict)
    """Spend of the month, by user, of the budgets that are not of a key in `spend`."""
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

    def statuses(self) -> Iterator[BudgetStatus]:
        """Yield the state of each budget, and of each user of a default with spend."""
        plain = {it.budget_id: {"": self.spend_of(key_of(it)).month} for it in self.budgets if not it.per_user}
        spent = {**plain, **self.budget_spend}
        return budget_statuses(self.budgets, spent, rates=self.rates, zones=self.zones, at=self.at)


def key_of(budget: Budget, user_id: str = "") -> Key:
    """Return the key of a budget; of a default, that of one user."""
    name = user_id or budget.subject
    return Key(budget.scope, budget.org_id, f"{budget.class_name} {name}" if budget.class_name else name)


def utc(at: datetime) -> datetime:
    """Return `at` in UTC."""
    return at.astimezone(UTC)
