"""States of budgets: spend against the limit in USD. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from spendmeter_clickhouse.budgets.months import calendar_month
from spendmeter_clickhouse.budgets.stored import Budget
from spendmeter_events.gate.status import BudgetStatus, over

_UTC: Final = ZoneInfo("UTC")
_MICRO: Final = Decimal("0.000001")


def usd_amount(budget: Budget, rates: Mapping[str, Decimal]) -> Decimal | None:
    """Return the amount in USD at `rates` (units per USD), or None without a rate or an amount."""
    rate = Decimal(1) if budget.currency == "USD" else rates.get(budget.currency)
    return budget.amount / rate if rate and budget.amount > 0 else None


def budget_statuses(
    budgets: Sequence[Budget],
    spent: Mapping[UUID, Mapping[str, Decimal]],
    *,
    rates: Mapping[str, Decimal],
    zones: Mapping[str, ZoneInfo],
    at: datetime,
) -> Iterator[BudgetStatus]:
    """Yield the state of each budget, and of each user of a default with spend. Budgets without a rate have none.

    :param spent: budget → user (empty unless the budget is a default) → USD of the month to date.
    """
    for budget in budgets:
        limit = usd_amount(budget, rates)
        if limit is None:
            continue
        start, end = calendar_month(at, zones.get(budget.org_id, _UTC))
        for user_id, usd in spent.get(budget.budget_id, {}).items():
            yield BudgetStatus(
                budget_id=budget.budget_id,
                scope=budget.scope,
                conditions=budget.conditions(user_id),
                spent_usd=max(usd, Decimal(0)),
                limit_usd=max(limit.quantize(_MICRO), _MICRO),
                over=over(usd, limit),
                month_start=start,
                month_end=end,
                at=at,
            )
