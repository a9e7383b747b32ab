"""The states of all budgets as of a few seconds ago, for answers within milliseconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Final
from uuid import UUID

from spendmeter_clickhouse.budgets.month_spend import MonthSpend, rates_in_force
from spendmeter_clickhouse.budgets.months import org_zones
from spendmeter_clickhouse.budgets.states import budget_statuses
from spendmeter_clickhouse.budgets.stored import Budget, list_budgets
from spendmeter_clickhouse.store import Session
from spendmeter_events.gate.budget_index import BudgetIndex
from spendmeter_events.gate.status import BudgetStatus

_FRESH_S: Final = 5.0
_MAX_AGE_S: Final = 30.0


@dataclass(frozen=True)
class BudgetSnapshot:
    """Budgets and their states at one time."""

    at: datetime
    budgets: Sequence[Budget]
    statuses: Sequence[BudgetStatus]
    rates: Mapping[str, Decimal]
    """Currency → units per USD."""

    @cached_property
    def index(self) -> BudgetIndex:
        """The used-up budgets."""
        return BudgetIndex.of(self.statuses)

    @cached_property
    def by_id(self) -> Mapping[UUID, Budget]:
        """Budgets by id."""
        return {budget.budget_id: budget for budget in self.budgets}

    def of_user(self, org_id: str, user_id: str, role: str | None) -> tuple[Budget, Decimal] | None:
        """Return a user's budget and USD spent against it: the user's own, else the most used default, or None.

        :param role: the user's role in the directory, for a user without calls this month.
        """
        found = self._of_users.get((org_id, user_id))
        if found is not None:
            return self.by_id[found.budget_id], found.spent_usd
        default = self._defaults.get((org_id, role or "")) or self._defaults.get((org_id, ""))
        own = (org_id, user_id) in self._own
        return (default, Decimal(0)) if default and not own else None

    @cached_property
    def _of_users(self) -> Mapping[tuple[str, str], BudgetStatus]:
        found: dict[tuple[str, str], BudgetStatus] = {}
        for status in self.statuses:
            if status.scope == "user":
                key = status.conditions["org"], status.conditions["user"]
                if key not in found or _share(status) > _share(found[key]):
                    found[key] = status
        return found

    @cached_property
    def _defaults(self) -> Mapping[tuple[str, str], Budget]:
        return {(budget.org_id, budget.role): budget for budget in self.budgets if budget.per_user}

    @cached_property
    def _own(self) -> frozenset[tuple[str, str]]:
        return frozenset((budget.org_id, budget.user_id) for budget in self.budgets if budget.scope == "user")


def _share(status: BudgetStatus) -> Decimal:
    return status.spent_usd / status.limit_usd


class BudgetStates:
    """Read and cache a snapshot. Used from one event loop."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._spend = MonthSpend(session=session)
        self._snapshot: BudgetSnapshot | None = None
        self._read_at = 0.0
        self._refreshing: asyncio.Task[BudgetSnapshot] | None = None

    async def current(self, now: datetime) -> BudgetSnapshot:
        """Return a snapshot that is at most half a minute old; one older than seconds is refreshed in the background.

        Raises `StoreError` if there is none and the store cannot be read.
        """
        age = time.monotonic() - self._read_at
        if self._snapshot is not None and age <= _FRESH_S:
            return self._snapshot
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(now))
            # A failed refresh is repeated by the next caller, who gets its error once the snapshot is too old.
            self._refreshing.add_done_callback(lambda task: task.cancelled() or task.exception())
        if self._snapshot is not None and age <= _MAX_AGE_S:
            return self._snapshot
        return await asyncio.shield(self._refreshing)

    def invalidate(self) -> None:
        """Read again at the next call: a budget has changed."""
        self._snapshot, self._refreshing = None, None

    async def _refresh(self, now: datetime) -> BudgetSnapshot:
        task = asyncio.current_task()
        budgets = await list_budgets(self._session)
        zones, rates = await asyncio.gather(org_zones(self._session), rates_in_force(self._session, now.date()))
        spent = await self._spend.read(now, budgets=budgets, zones=zones)
        statuses = list(budget_statuses(budgets, spent, rates=rates, zones=zones, at=now))
        found = BudgetSnapshot(now, budgets, statuses, rates)
        # An invalidated refresh read the budgets before the change.
        if self._refreshing is task:
            self._snapshot, self._read_at = found, time.monotonic()
        return found
