"""What the guard knows at one moment, as plain data. Money is USD."""

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
    """Whose spend: an org's (`name` repeats it), a user's, a feature's in an org, or with `org_id` empty in all."""

    scope: BudgetScope
    org_id: str
    name: str


TOTAL = Key("org", "", "")
"""All spend there is."""


@dataclass(frozen=True, slots=True)
class Spend:
    """What a key spent in the windows that end now."""

    quarter: Decimal = Decimal(0)
    hour: Decimal = Decimal(0)
    six_hours: Decimal = Decimal(0)
    month: Decimal = Decimal(0)
    """Since the calendar month began by the clock of the key's org (UTC where it has none)."""

    def windows(self) -> dict[Window, Decimal]:
        """The same by the windows' names."""
        return {"15m": self.quarter, "1h": self.hour, "6h": self.six_hours, "month_to_date": self.month}


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is usual for a key."""

    same_hours: tuple[float, ...]
    """Spend in the same hour of the last 14 days, newest first; 0 where there was none."""
    busy: float
    """An hour of its busiest, or of the org's around it; see `queries.BUSY_HOURS`."""
    history_days: int = 28
    """Days with spend, of the last 28, of the org around it, or of the platform for what belongs to no org."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything a decision depends on."""

    at: datetime
    spend: Mapping[Key, Spend]
    baselines: Mapping[Key, Baseline] = field(default_factory=dict)
    """Of every org and feature, and of users who spend enough to be looked at."""
    budgets: Sequence[Budget] = ()
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    """Currency → units of it for one USD, in force at `at`."""
    zones: Mapping[str, ZoneInfo] = field(default_factory=dict)
    """Org → its clock; an org that is missing lives by UTC."""

    def month(self, key: Key) -> tuple[datetime, datetime]:
        """The calendar month around `at` for `key`: its start, and the start of the next, UTC."""
        return calendar_month(self.at, self.zones.get(key.org_id, ZoneInfo("UTC")))

    def spend_of(self, key: Key) -> Spend:
        """What `key` spent; zeros where it spent nothing."""
        return self.spend.get(key, Spend())


def key_of(budget: Budget) -> Key:
    """Whose spend a budget is about."""
    name = {"org": budget.org_id, "user": budget.user_id, "feature": budget.feature}[budget.scope]
    return Key(budget.scope, budget.org_id, name)


def utc(moment: datetime) -> datetime:
    """`moment` by the UTC clock."""
    return moment.astimezone(UTC)
