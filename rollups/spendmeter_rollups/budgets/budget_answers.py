"""The answer of a budget: its definition, use this month, forecast and names."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from spendmeter_clickhouse.budgets import Budget, BudgetScope, calendar_month, org_zones
from spendmeter_rollups.budgets.budget_use import BudgetUse, budget_uses
from spendmeter_rollups.budgets.rates import rate_on
from spendmeter_rollups.catalogue.money import Money, Rate
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Window, local_date
from spendmeter_rollups.views.answers import CurrencyAnswer
from spendmeter_rollups.views.directory_names import find_names

DEFAULT_THRESHOLD: Final = 90
"""The guard's `nearly_used`, as shipped."""


class MonthAnswer(BaseModel):
    """The current calendar month of the org's time zone (UTC for a budget of all orgs): [from, to)."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    month: str = Field(examples=["2026-11"])
    from_: datetime = Field(alias="from")
    to: datetime
    tz: str


class BudgetAnswer(BaseModel):
    """A budget and its use this month. Amounts are in the budget's currency."""

    budget_id: UUID
    scope: BudgetScope
    org_id: str = Field(description="empty for a value of all orgs")
    org_name: str | None = Field(None, description="from the directory; null if unknown or without read access")
    user_id: str = Field(description="`*` for a limit of each user of the org")
    user_name: str | None = Field(None, description="from the directory; null if unknown or without read access")
    feature: str
    value: str = Field(description="of scopes other than org, user and feature; KEY:VALUE of a tag")
    class_name: str = Field(description="of a section")
    role: str = Field(description="of a limit of each user in a role")
    amount: Money
    currency: CurrencyAnswer | None = Field(description="today's rate; null if there is none")
    month: MonthAnswer
    spent: Money | None = Field(
        description="month to date, without calls on the org's own keys (BYOK); null without read access to the org,"
        " and for a limit of each user"
    )
    used_share: float | None = Field(description="spent / amount; above 1 if exceeded")
    projected: Money | None = Field(
        description="at the month's end; null with fewer than 7 days of usage in the last 30"
    )
    exhausted_on: date | None = Field(
        description="the day on which it was or is forecast to be exhausted; null if it lasts or without forecast"
    )
    thresholds: list[int] = Field(description="used percentages that raise an alert, besides 100; empty: 90")
    passed: list[int] = Field(description="thresholds that are reached, including 100")
    users: int | None = Field(None, description="of a limit of each user: users with spend against it this month")
    users_over: int | None = Field(None, description="of a limit of each user: users who have used it up")
    updated_at: datetime


async def answer_without_use(reader: Reader, scope: Scope, budget: Budget) -> BudgetAnswer:
    """Return the budget's definition without its use."""
    zones, rates = await asyncio.gather(org_zones(reader.session), _rates(reader, scope, [budget]))
    zone = zones.get(budget.org_id, ZoneInfo("UTC"))
    month = Window(*calendar_month(scope.now, zone))
    use = BudgetUse(month=month, zone=zone, spent=Decimal(0), projected=None, exhausted_on=None)
    return _answer(budget, use, rates[budget.currency]).model_copy(
        update={"spent": None, "used_share": None, "passed": []}
    )


async def budget_answers(reader: Reader, scope: Scope, found: Sequence[Budget]) -> list[BudgetAnswer]:
    """Return each budget with its use, in order."""
    zones, rates = await asyncio.gather(org_zones(reader.session), _rates(reader, scope, found))
    amounts = [_usd(budget.amount, rates[budget.currency]) for budget in found]
    uses, names, users = await asyncio.gather(
        budget_uses(UsageReader(reader, scope), list(zip(found, amounts, strict=True)), zones),
        find_names(
            reader,
            orgs=[budget.org_id for budget in found if budget.org_id],
            users=[(budget.org_id, budget.user_id) for budget in found if budget.user_id],
        ),
        _users_of_defaults(reader, scope, found),
    )
    return [
        _answer(budget, use, rates[budget.currency]).model_copy(
            update={
                "org_name": names.org(budget.org_id),
                "user_name": names.user(budget.org_id, budget.user_id),
                **users.get(budget.budget_id, {}),
            }
        )
        for budget, use in zip(found, uses, strict=True)
    ]


async def _users_of_defaults(reader: Reader, scope: Scope, found: Sequence[Budget]) -> dict[UUID, dict[str, Any]]:
    """Return the fields of limits of each user, whose spend is that of no single subject."""
    defaults = [budget.budget_id for budget in found if budget.per_user]
    if not defaults:
        return {}
    statuses = (await reader.budgets.current(scope.now)).statuses
    users = {budget_id: [it.over for it in statuses if it.budget_id == budget_id] for budget_id in defaults}
    none: dict[str, Any] = {"spent": None, "used_share": None, "projected": None, "exhausted_on": None, "passed": []}
    return {budget_id: {**none, "users": len(of), "users_over": sum(of)} for budget_id, of in users.items()}


async def _rates(reader: Reader, scope: Scope, found: Sequence[Budget]) -> dict[str, Rate | None]:
    codes = sorted({budget.currency for budget in found})
    today = local_date(scope.now, scope.zone)
    return dict(zip(codes, await asyncio.gather(*(rate_on(reader, code, today) for code in codes)), strict=True))


def _usd(amount: Decimal, rate: Rate | None) -> Decimal | None:
    return amount / rate.per_usd if rate else None


def _answer(budget: Budget, use: BudgetUse, rate: Rate | None) -> BudgetAnswer:
    spent = rate.convert(use.spent) if rate else None
    projected = None if rate is None or use.projected is None else Decimal(repr(round(use.projected, 6)))
    start, end = (instant.astimezone(use.zone) for instant in (use.month.start, use.month.end))
    return BudgetAnswer(
        budget_id=budget.budget_id,
        scope=budget.scope,
        org_id=budget.org_id,
        user_id=budget.user_id,
        feature=budget.feature,
        value=budget.value,
        class_name=budget.class_name,
        role=budget.role,
        amount=budget.amount,
        currency=CurrencyAnswer.of(rate) if rate else None,
        month=MonthAnswer(month=f"{start:%Y-%m}", from_=start, to=end, tz=use.zone.key),
        spent=spent,
        used_share=None if spent is None else round(float(spent / budget.amount), 6),
        projected=rate.convert(projected) if rate and projected is not None else None,
        exhausted_on=use.exhausted_on,
        thresholds=list(budget.thresholds),
        passed=[] if spent is None else [it for it in _percentages(budget) if spent * 100 >= it * budget.amount],
        updated_at=budget.updated_at,
    )


def _percentages(budget: Budget) -> list[int]:
    return sorted({*(budget.thresholds or (DEFAULT_THRESHOLD,)), 100})
