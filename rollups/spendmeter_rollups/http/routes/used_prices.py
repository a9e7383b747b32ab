"""`/v1/prices`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from spendmeter_rollups.calls.prices_in_use import PricesAnswer, PricesParams, prices_in_use
from spendmeter_rollups.http.routes.usage import PROBLEMS
from spendmeter_rollups.http.service import RequestContextDep

router = APIRouter(prefix="/v1/prices", tags=["prices"], responses=PROBLEMS)


@router.get("", response_model=PricesAnswer)
async def get_prices(params: Annotated[PricesParams, Query()], context: RequestContextDep) -> Response:
    """The rates of the calls in the window, with row, layer and source; not the price book."""
    return await context.answer(params, partial(prices_in_use, params=params))
