"""`/v1/prices`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from spendmeter_clickhouse.scopes import PLATFORM_WRITE
from spendmeter_rollups.calls.book_prices import (
    BookPricesAnswer,
    PriceDesk,
    RowAnswer,
    RowBody,
    book_prices,
    put_row,
    without_book,
)
from spendmeter_rollups.calls.prices_in_use import PricesAnswer, PricesParams, priced_call, prices_in_use
from spendmeter_rollups.http.audit_log import record_action
from spendmeter_rollups.http.routes.usage import PROBLEMS, UNKNOWN
from spendmeter_rollups.http.service import RequestContextDep

router = APIRouter(prefix="/v1/prices", tags=["prices"], responses=PROBLEMS)


@router.get("", response_model=PricesAnswer | BookPricesAnswer, responses=UNKNOWN)
async def get_prices(
    params: Annotated[PricesParams, Query()], request: Request, context: RequestContextDep
) -> Response:
    """The rates of the calls in the window, with row, layer and source; with `at`, those of the price book then."""
    if params.at is None:
        return await context.answer(params, partial(prices_in_use, params=params))
    call = priced_call(params, visible=context.credential.visible_orgs())
    return await context.encoded(book_prices(_desk(request), call))


@router.put("", responses=UNKNOWN)
async def put_price(body: RowBody, request: Request, context: RequestContextDep) -> RowAnswer:
    """Set or remove a row of the price topic, after a check against the book. New events have the new prices."""
    context.credential.require(PLATFORM_WRITE)
    answer = await put_row(_desk(request), body)
    if answer.published:
        org = (body.row or answer.replaced or {}).get("org", "")
        action = "price.unset" if body.row is None else "price.set"
        await record_action(context, action, org_id=str(org), subject=answer.key)
    return answer


def _desk(request: Request) -> PriceDesk:
    desk: PriceDesk | None = request.app.state.price_desk
    if desk is None:
        raise without_book()
    return desk
