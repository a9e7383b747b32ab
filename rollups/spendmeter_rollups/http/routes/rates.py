"""`/v1/fx-rates/…`: the exchange rates of converted amounts."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from spendmeter_clickhouse.scopes import PLATFORM_WRITE
from spendmeter_rollups.budgets.rates import RateAnswer, RateBody, RatesAnswer, RatesParams, stored, write_rate
from spendmeter_rollups.http.audit_log import record_action
from spendmeter_rollups.http.routes.usage import PROBLEMS
from spendmeter_rollups.http.service import RequestContextDep

router = APIRouter(prefix="/v1/fx-rates", tags=["currency"], responses=PROBLEMS)


@router.get("", response_model=RatesAnswer)
async def get_rates(params: Annotated[RatesParams, Query()], context: RequestContextDep) -> Response:
    """Dated exchange rates, by currency, newest first."""
    if PLATFORM_WRITE not in context.credential.scopes:
        context.credential.visible_orgs()
    return await context.encoded(stored(context.reader, params), params=params)


@router.put("/{currency}/{rate_date}")
async def put_rate(
    currency: Annotated[str, Path(pattern=r"^[A-Z]{3}$", examples=["INR"])],
    rate_date: Annotated[date, Path(ge=date(2000, 1, 1), le=date(2100, 1, 1))],
    body: RateBody,
    context: RequestContextDep,
) -> RateAnswer:
    """Set the rate of a day. It applies to the calls from that day until the next rate."""
    context.credential.require(PLATFORM_WRITE)
    answer = await write_rate(context.service.writer, currency, rate_date, body, now=context.service.clock())
    await record_action(context, "rate.set", org_id="", subject=f"{currency} {rate_date}")
    return answer
