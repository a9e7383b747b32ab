"""Monthly budgets: definition and use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.budgets import Budget, BudgetScope, calendar_month, list_budgets, org_zones, write_budget
from spendmeter_rollups.budgets.budget_use import BudgetUse, budget_uses
from spendmeter_rollups.budgets.rates import rate_on
from spendmeter_rollups.catalogue.money import Money, Rate
from spendmeter_rollups.problems import conflict, invalid_parameter, not_found
from spendmeter_rollups.query.directory import known_org
from spendmeter_rollups.query.params import Value, Values
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.scope import Scope, only_visible
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Window, local_date
from spendmeter_rollups.views.answers import CurrencyAnswer, FreshnessAnswer
from spendmeter_rollups.views.directory_names import find_names

_NAMESPACE: Final = UUID("5c9e9c2a-6f0e-4b53-8a3e-6a8a2c1f0d17")

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Limit(BaseModel):
    """Amount and currency of a monthly budget."""

    model_config = ConfigDict(extra="forbid")

    amount: Decimal = Field(gt=0, max_digits=24, decimal_places=12, examples=["25000"])
    currency: str = Field(
        default="USD", pattern=r"^[A-Z]{3}$", description="ISO 4217 code with a known rate", examples=["INR"]
    )


class OrgBudget(Limit):
    """A budget for an org."""

    scope: Literal["org"]
    org_id: Name


class UserBudget(Limit):
    """A budget for one user."""

    scope: Literal["user"]
    org_id: Name
    user_id: Name


class FeatureBudget(Limit):
    """A budget for a feature of one org or, without `org_id`, of all orgs."""

    scope: Literal["feature"]
    org_id: Value = ""
    feature: Name


BudgetBody = Annotated[OrgBudget | UserBudget | FeatureBudget, Field(discriminator="scope")]


class BudgetsParams(BaseModel):
    """Filters of budgets. Default: all that the credential may see."""

    model_config = ConfigDict(extra="forbid")

    scope: Annotated[list[BudgetScope], Field(max_length=3)] = []
    org: Values = []
    user: Values = []
    feature: Values = []
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0


class MonthAnswer(BaseModel):
    """The current calendar month of the org's time zone (UTC for a feature of all orgs): [from, to)."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    month: str = Field(examples=["2026-11"])
    from_: datetime = Field(alias="from")
    to: datetime
    tz: str


class BudgetAnswer(BaseModel):
    """A budget and its use this month. Amounts are in the budget's currency."""

    budget_id: UUID
    scope: BudgetScope
    org_id: str = Field(description="empty for a feature of all orgs")
    org_name: str | None = Field(None, description="from the directory; null if unknown or without read access")
    user_id: str
    user_name: str | None = Field(None, description="from the directory; null if unknown or without read access")
    feature: str
    amount: Money
    currency: CurrencyAnswer | None = Field(description="today's rate; null if there is none")
    month: MonthAnswer
    spent: Money | None = Field(
        description="month to date, without calls on the org's own keys (BYOK); null without read access to the org"
    )
    used_share: float | None = Field(description="spent / amount; above 1 if exceeded")
    projected: Money | None = Field(
        description="at the month's end; null with fewer than 7 days of usage in the last 30"
    )
    exhausted_on: date | None = Field(
        description="the day on which it was or is forecast to be exhausted; null if it lasts or without forecast"
    )
    updated_at: datetime


class BudgetsAnswer(BaseModel):
    """Budgets, by scope, org, user and feature."""

    budgets: list[BudgetAnswer]
    has_more: bool = Field(description="true if there are budgets beyond offset + limit")
    freshness: FreshnessAnswer


async def budgets(
    reader: Reader, scope: Scope, *, params: BudgetsParams, visible: tuple[str, ...] | None
) -> BudgetsAnswer:
    """Return the budgets that match `params`. Raises `Problem` (403) for an org that is not visible."""
    requested = tuple(params.org) or None
    orgs = requested if visible is None else only_visible(requested, visible)
    wanted = (("scope", params.scope), ("user_id", params.user), ("feature", params.feature))
    found = [
        budget
        for budget in await list_budgets(reader.session, orgs=orgs)
        if all(not values or getattr(budget, name) in values for name, values in wanted)
    ]
    shown = found[params.offset : params.offset + params.limit]
    return BudgetsAnswer(
        budgets=await _answers(reader, scope, shown),
        has_more=len(found) > params.offset + params.limit,
        freshness=FreshnessAnswer.of(scope),
    )


async def one_budget(reader: Reader, scope: Scope, budget_id: UUID, *, visible: tuple[str, ...] | None) -> BudgetAnswer:
    """Return one budget. Raises `Problem` (404) if it does not exist or is not visible to the caller."""
    (answer,) = await _answers(reader, scope, [await _find(reader, budget_id, visible)])
    return answer


@dataclass(frozen=True, slots=True)
class BudgetContext:
    """Context of a write to a budget. `visible` are the orgs whose spend the caller may see; None means all."""

    reader: Reader
    writer: Session
    scope: Scope
    visible: tuple[str, ...] | None


async def define_budget(context: BudgetContext, body: OrgBudget | UserBudget | FeatureBudget) -> BudgetAnswer:
    """Create a budget. Raises `Problem`: 409 if it exists already, 422 for an unknown org or currency."""
    budget = Budget(
        # A deterministic id: two concurrent requests cannot create two budgets for the same subject.
        budget_id=uuid5(_NAMESPACE, "\n".join((body.scope, body.org_id, _user(body), _feature(body)))),
        scope=body.scope,
        org_id=body.org_id,
        user_id=_user(body),
        feature=_feature(body),
        amount=body.amount,
        currency=body.currency,
        updated_at=context.scope.now,
    )
    if any(each.budget_id == budget.budget_id for each in await list_budgets(context.reader.session)):
        raise conflict(
            "scope", f"this {body.scope} already has a budget; change it with PUT /v1/budgets/{budget.budget_id}"
        )
    if budget.org_id and not await context.reader.rows(known_org(budget.org_id)):
        raise invalid_parameter("org_id", f"unknown org {budget.org_id!r}: neither the directory nor any call has it")
    return await _written(context, budget)


async def change_budget(context: BudgetContext, budget_id: UUID, limit: Limit) -> BudgetAnswer:
    """Change a budget. Raises `Problem`: 404 if it does not exist, 422 for a currency without a rate."""
    before = await _find(context.reader, budget_id, None)
    return await _written(
        context, replace(before, amount=limit.amount, currency=limit.currency, updated_at=context.scope.now)
    )


async def delete_stored_budget(reader: Reader, writer: Session, budget_id: UUID, *, now: datetime) -> Budget:
    """Delete a budget and return it. Raises `Problem` (404) if it does not exist."""
    budget = await _find(reader, budget_id, None)
    return await write_budget(writer, replace(budget, updated_at=now), deleted=True)


def _user(body: OrgBudget | UserBudget | FeatureBudget) -> str:
    return body.user_id if isinstance(body, UserBudget) else ""


def _feature(body: OrgBudget | UserBudget | FeatureBudget) -> str:
    return body.feature if isinstance(body, FeatureBudget) else ""


async def _find(reader: Reader, budget_id: UUID, visible: tuple[str, ...] | None) -> Budget:
    for budget in await list_budgets(reader.session, orgs=visible):
        if budget.budget_id == budget_id:
            return budget
    raise not_found("budget_id", "unknown budget")


async def _written(context: BudgetContext, budget: Budget) -> BudgetAnswer:
    reader, scope = context.reader, context.scope
    if await rate_on(reader, budget.currency, local_date(scope.now, scope.zone)) is None:
        raise invalid_parameter("currency", f"no rate for {budget.currency!r}: set one with PUT /v1/fx-rates")
    written = await write_budget(context.writer, budget)
    # The right to define a budget does not include the right to see its spend. One of all orgs shows their total spend.
    if context.visible is not None and budget.org_id not in context.visible:
        return await _without_use(context, written)
    (answer,) = await _answers(reader, scope, [written])
    return answer


async def _without_use(context: BudgetContext, budget: Budget) -> BudgetAnswer:
    """Return the budget's definition without its use."""
    zones, rates = await asyncio.gather(
        org_zones(context.reader.session), _rates(context.reader, context.scope, [budget])
    )
    zone = zones.get(budget.org_id, ZoneInfo("UTC"))
    month = Window(*calendar_month(context.scope.now, zone))
    use = BudgetUse(month=month, zone=zone, spent=Decimal(0), projected=None, exhausted_on=None)
    return _answer(budget, use, rates[budget.currency]).model_copy(update={"spent": None, "used_share": None})


async def _answers(reader: Reader, scope: Scope, found: Sequence[Budget]) -> list[BudgetAnswer]:
    zones, rates = await asyncio.gather(org_zones(reader.session), _rates(reader, scope, found))
    amounts = [_usd(budget.amount, rates[budget.currency]) for budget in found]
    uses, names = await asyncio.gather(
        budget_uses(UsageReader(reader, scope), list(zip(found, amounts, strict=True)), zones),
        find_names(
            reader,
            orgs=[budget.org_id for budget in found if budget.org_id],
            users=[(budget.org_id, budget.user_id) for budget in found if budget.user_id],
        ),
    )
    return [
        _answer(budget, use, rates[budget.currency]).model_copy(
            update={
                "org_name": names.org(budget.org_id),
                "user_name": names.user(budget.org_id, budget.user_id),
            }
        )
        for budget, use in zip(found, uses, strict=True)
    ]


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
        amount=budget.amount,
        currency=CurrencyAnswer.of(rate) if rate else None,
        month=MonthAnswer(month=f"{start:%Y-%m}", from_=start, to=end, tz=use.zone.key),
        spent=spent,
        used_share=None if spent is None else round(float(spent / budget.amount), 6),
        projected=rate.convert(projected) if rate and projected is not None else None,
        exhausted_on=use.exhausted_on,
        updated_at=budget.updated_at,
    )
