"""Monthly budgets: definition and use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.budgets import (
    SCOPES,
    Budget,
    BudgetScope,
    calendar_month,
    list_budgets,
    org_zones,
    write_budget,
)
from spendmeter_rollups.budgets.budget_bodies import AnyBody, Limit, budget_id_of
from spendmeter_rollups.budgets.budget_use import BudgetUse, budget_uses
from spendmeter_rollups.budgets.rates import rate_on
from spendmeter_rollups.catalogue.money import Money, Rate
from spendmeter_rollups.problems import conflict, invalid_parameter, not_found
from spendmeter_rollups.query.directory import known_org
from spendmeter_rollups.query.params import Values
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.scope import Scope, only_visible
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Window, local_date
from spendmeter_rollups.views.answers import CurrencyAnswer, FreshnessAnswer
from spendmeter_rollups.views.directory_names import find_names


def _check_scope(name: str) -> str:
    if name not in SCOPES:
        raise ValueError(f"expected one of {', '.join(SCOPES)}")
    return name


BudgetScopeName = Annotated[str, AfterValidator(_check_scope), Field(json_schema_extra={"enum": list(SCOPES)})]


class BudgetsParams(BaseModel):
    """Filters of budgets. Default: all that the credential may see."""

    model_config = ConfigDict(extra="forbid")

    scope: Annotated[list[BudgetScopeName], Field(max_length=len(SCOPES))] = []
    org: Values = []
    user: Values = []
    feature: Values = []
    value: Values = []
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0


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
    wanted = (
        ("scope", params.scope),
        ("user_id", params.user),
        ("feature", params.feature),
        ("value", params.value),
    )
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


async def define_budget(context: BudgetContext, body: AnyBody) -> BudgetAnswer:
    """Create a budget. Raises `Problem`: 409 if it exists already, 422 for an unknown org or currency."""
    fields = body.model_dump()
    subject = {name: fields.get(name, "") for name in ("user_id", "feature", "value", "class_name", "role")}
    unnamed = Budget(
        budget_id=UUID(int=0),
        scope=body.scope,
        org_id=body.org_id,
        amount=body.amount,
        currency=body.currency,
        updated_at=context.scope.now,
        thresholds=tuple(body.thresholds),
        **subject,
    )
    budget = replace(unnamed, budget_id=budget_id_of(unnamed))
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
        context,
        replace(
            before,
            amount=limit.amount,
            currency=limit.currency,
            # A change of the amount alone keeps them.
            thresholds=tuple(limit.thresholds) if "thresholds" in limit.model_fields_set else before.thresholds,
            updated_at=context.scope.now,
        ),
    )


async def delete_stored_budget(reader: Reader, writer: Session, budget_id: UUID, *, now: datetime) -> Budget:
    """Delete a budget and return it. Raises `Problem` (404) if it does not exist."""
    budget = await _find(reader, budget_id, None)
    deleted = await write_budget(writer, replace(budget, updated_at=now), deleted=True)
    reader.budgets.invalidate()
    return deleted


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
    reader.budgets.invalidate()
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
    return _answer(budget, use, rates[budget.currency]).model_copy(
        update={"spent": None, "used_share": None, "passed": []}
    )


async def _answers(reader: Reader, scope: Scope, found: Sequence[Budget]) -> list[BudgetAnswer]:
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
