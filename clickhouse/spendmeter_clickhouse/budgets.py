"""Stored monthly budgets and their calendar months. See docs/api.md, "Budgets"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from spendmeter_clickhouse.store import Session
from spendmeter_clickhouse.zones import named_zone

BudgetScope = Literal["org", "user", "feature"]

_TICK: Final = timedelta(milliseconds=1)
_COLUMNS: Final = ("budget_id", "scope", "org_id", "user_id", "feature", "amount", "currency", "updated_at")


@dataclass(frozen=True, slots=True)
class Budget:
    """What a scope may spend in a calendar month: `amount` of `currency` (ISO 4217), chargeable cost.

    `org_id` is empty for a feature of every org alone; `user_id` and `feature` are set in their own scope alone.
    """

    budget_id: UUID
    scope: BudgetScope
    org_id: str
    user_id: str
    feature: str
    amount: Decimal
    currency: str
    updated_at: datetime

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Column of `usage_events` and of its rollups → the values that count against this budget."""
        wanted = {"org_id": self.org_id, "user_id": self.user_id, "feature": self.feature}
        return {column: (value,) for column, value in wanted.items() if value}


async def list_budgets(session: Session, *, orgs: Sequence[str] | None = None) -> list[Budget]:
    """Return all budgets, or those of `orgs`, ordered by scope and subject. Raises `StoreError`."""
    where, parameters = "NOT deleted", {}
    if orgs is not None:
        where, parameters = f"{where} AND org_id IN {{orgs:Array(String)}}", {"orgs": list(orgs)}
    answer = await session.query(
        f"SELECT {', '.join(_COLUMNS)} FROM budgets FINAL WHERE {where}"
        " ORDER BY scope, org_id, user_id, feature, budget_id",
        parameters,
    )
    return [Budget(*row) for row in answer.result_rows]


async def write_budget(session: Session, budget: Budget, *, deleted: bool = False) -> Budget:
    """Store a budget as its newest version, and return it with the time it has as such. Raises `StoreError`."""
    answer = await session.query(
        "SELECT max(updated_at) FROM budgets WHERE budget_id = {id:UUID}", {"id": str(budget.budget_id)}
    )
    ((newest,),) = answer.result_rows
    # The last write wins, even on a clock that is behind the previous one.
    written = replace(budget, updated_at=max(budget.updated_at, newest + _TICK))
    row = (*(getattr(written, name) for name in _COLUMNS), deleted)
    await session.insert("budgets", [row], [*_COLUMNS, "deleted"])
    return written


async def org_zones(session: Session) -> dict[str, ZoneInfo]:
    """Return the time zones of orgs in the directory, omitting invalid ones. Raises `StoreError`."""
    answer = await session.query("SELECT org_id, timezone FROM orgs FINAL")
    # The directory accepts any label: an invalid zone must not affect the budgets of other orgs.
    return {org_id: zone for org_id, name in answer.result_rows if (zone := named_zone(name))}


def calendar_month(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return start and end (exclusive), in UTC, of the month of `now` in `zone`."""
    first = now.astimezone(zone).date().replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    start, end = (datetime.combine(day, time.min, zone).astimezone(UTC) for day in (first, following))
    return start, end
