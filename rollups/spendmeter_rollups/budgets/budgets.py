"""Monthly budgets: list, define, change and delete them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.budgets import (
    SCOPES,
    Budget,
    list_budgets,
    write_budget,
)
from spendmeter_rollups.budgets.budget_answers import BudgetAnswer, answer_without_use, budget_answers
from spendmeter_rollups.budgets.budget_bodies import AnyBody, Limit, budget_id_of
from spendmeter_rollups.budgets.rates import rate_on
from spendmeter_rollups.problems import conflict, invalid_parameter, not_found
from spendmeter_rollups.query.directory import known_org
from spendmeter_rollups.query.params import Values
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.scope import Scope, only_visible
from spendmeter_rollups.query.windows import local_date
from spendmeter_rollups.views.answers import FreshnessAnswer


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
        budgets=await budget_answers(reader, scope, shown),
        has_more=len(found) > params.offset + params.limit,
        freshness=FreshnessAnswer.of(scope),
    )


async def one_budget(reader: Reader, scope: Scope, budget_id: UUID, *, visible: tuple[str, ...] | None) -> BudgetAnswer:
    """Return one budget. Raises `Problem` (404) if it does not exist or is not visible to the caller."""
    (answer,) = await budget_answers(reader, scope, [await _find(reader, budget_id, visible)])
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
        return await answer_without_use(reader, scope, written)
    (answer,) = await budget_answers(reader, scope, [written])
    return answer
