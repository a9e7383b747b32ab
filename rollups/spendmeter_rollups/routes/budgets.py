"""`/v1/budgets`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from spendmeter_clickhouse.scopes import PLATFORM_WRITE
from spendmeter_rollups.budgets import (
    BudgetAnswer,
    BudgetBody,
    BudgetsAnswer,
    BudgetsParams,
    Limit,
    budgets,
    change_budget,
    define_budget,
    drop_budget,
    one_budget,
)
from spendmeter_rollups.params import ScopeParams
from spendmeter_rollups.problems import ProblemAnswer
from spendmeter_rollups.routes.usage import PROBLEMS, UNKNOWN
from spendmeter_rollups.service import ExchangeDep

router = APIRouter(prefix="/v1/budgets", tags=["budgets"], responses=PROBLEMS)


@router.get("")
async def get_budgets(params: Annotated[BudgetsParams, Query()], exchange: ExchangeDep) -> BudgetsAnswer:
    """Budgets and how much of each is used in the current calendar month of its org's time zone."""
    scope = await exchange.scope(ScopeParams())
    visible = exchange.credential.visible_orgs()
    return await budgets(exchange.reader, scope, params=params, visible=visible)


@router.post("", status_code=201, responses={409: {"model": ProblemAnswer, "description": "it has a budget"}})
async def post_budget(body: BudgetBody, exchange: ExchangeDep) -> BudgetAnswer:
    """Give an org, a user or a feature a monthly budget."""
    exchange.credential.require(PLATFORM_WRITE)
    scope = await exchange.scope(ScopeParams())
    return await define_budget(exchange.reader, exchange.service.writer, scope, body)


@router.get("/{budget_id}", responses=UNKNOWN)
async def get_budget(budget_id: UUID, exchange: ExchangeDep) -> BudgetAnswer:
    """One budget and its use."""
    scope = await exchange.scope(ScopeParams())
    return await one_budget(exchange.reader, scope, budget_id, visible=exchange.credential.visible_orgs())


@router.put("/{budget_id}", responses=UNKNOWN)
async def put_budget(budget_id: UUID, body: Limit, exchange: ExchangeDep) -> BudgetAnswer:
    """Change the amount or the currency, from this month on."""
    exchange.credential.require(PLATFORM_WRITE)
    scope = await exchange.scope(ScopeParams())
    return await change_budget(exchange.reader, exchange.service.writer, scope, budget_id, body)


@router.delete("/{budget_id}", status_code=204, response_class=Response, responses=UNKNOWN)
async def delete_budget(budget_id: UUID, exchange: ExchangeDep) -> None:
    """Take a budget away."""
    exchange.credential.require(PLATFORM_WRITE)
    await drop_budget(exchange.reader, exchange.service.writer, budget_id, now=exchange.service.clock())
