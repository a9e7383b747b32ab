"""`/v1/budgets`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from spendmeter_clickhouse.scopes import PLATFORM_WRITE
from spendmeter_rollups.budgets.budget_answers import BudgetAnswer
from spendmeter_rollups.budgets.budget_bodies import BudgetBody, Limit
from spendmeter_rollups.budgets.budget_check import CheckAnswer, CheckParams, check_budgets
from spendmeter_rollups.budgets.budgets import (
    BudgetContext,
    BudgetsAnswer,
    BudgetsParams,
    budgets,
    change_budget,
    define_budget,
    delete_stored_budget,
    one_budget,
)
from spendmeter_rollups.http.audit_log import record_action
from spendmeter_rollups.http.routes.usage import PROBLEMS, UNKNOWN
from spendmeter_rollups.http.service import RequestContext, RequestContextDep
from spendmeter_rollups.problems import ProblemAnswer
from spendmeter_rollups.query.params import ScopeParams

router = APIRouter(prefix="/v1/budgets", tags=["budgets"], responses=PROBLEMS)


@router.get("", response_model=BudgetsAnswer)
async def get_budgets(params: Annotated[BudgetsParams, Query()], context: RequestContextDep) -> Response:
    """Budgets and their use in the current calendar month of the org's time zone."""

    async def found() -> BudgetsAnswer:
        visible = context.credential.visible_orgs()
        scope = await context.scope(ScopeParams())
        return await budgets(context.reader, scope, params=params, visible=visible)

    return await context.encoded(found(), params=params)


@router.post(
    "",
    status_code=201,
    response_model=BudgetAnswer,
    responses={409: {"model": ProblemAnswer, "description": "the budget exists already"}},
)
async def post_budget(body: BudgetBody, context: RequestContextDep) -> Response:
    """Create a monthly budget for a value of any dimension, or a limit of each user of an org (`user_id` `*`).

    Its use is visible with read access to the org.
    """
    context.credential.require(PLATFORM_WRITE)

    async def defined() -> BudgetAnswer:
        answer = await define_budget(await _budget_context(context), body)
        await record_action(context, "budget.create", org_id=answer.org_id, subject=answer.user_id)
        return answer

    return await context.encoded(defined(), status_code=201)


@router.get("/check", response_model=CheckAnswer)
async def check_budget(params: Annotated[CheckParams, Query()], context: RequestContextDep) -> Response:
    """Whether a call may be made: no budget that limits it is used up. As of a few seconds ago."""

    async def checked() -> CheckAnswer:
        visible = context.credential.visible_orgs()
        return await check_budgets(context.reader, params, now=context.service.clock(), visible=visible)

    return await context.encoded(checked())


@router.get("/{budget_id}", response_model=BudgetAnswer, responses=UNKNOWN)
async def get_budget(budget_id: UUID, context: RequestContextDep) -> Response:
    """One budget and its use."""

    async def found() -> BudgetAnswer:
        visible = context.credential.visible_orgs()
        scope = await context.scope(ScopeParams())
        return await one_budget(context.reader, scope, budget_id, visible=visible)

    return await context.encoded(found())


@router.put("/{budget_id}", response_model=BudgetAnswer, responses=UNKNOWN)
async def put_budget(budget_id: UUID, body: Limit, context: RequestContextDep) -> Response:
    """Change amount, currency or thresholds from this month on. Its use is visible with read access to the org."""
    context.credential.require(PLATFORM_WRITE)

    async def changed() -> BudgetAnswer:
        answer = await change_budget(await _budget_context(context), budget_id, body)
        await record_action(context, "budget.change", org_id=answer.org_id, subject=answer.user_id)
        return answer

    return await context.encoded(changed())


@router.delete("/{budget_id}", status_code=204, response_class=Response, responses=UNKNOWN)
async def delete_budget(budget_id: UUID, context: RequestContextDep) -> None:
    """Delete a budget."""
    context.credential.require(PLATFORM_WRITE)
    writer, now = context.service.writer, context.service.clock()

    async def deleted() -> None:
        budget = await delete_stored_budget(context.reader, writer, budget_id, now=now)
        await record_action(context, "budget.delete", org_id=budget.org_id, subject=budget.user_id)

    await context.service.compute.run(deleted())


async def _budget_context(context: RequestContext) -> BudgetContext:
    """Return the context of a write. The right to define budgets does not include the right to see spend."""
    visible = context.credential.orgs()
    scope = await context.service.scope_of(ScopeParams(), visible)
    return BudgetContext(context.reader, context.service.writer, scope, visible)
