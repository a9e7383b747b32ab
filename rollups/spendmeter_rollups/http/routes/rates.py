"""`/v1/fx-rates/…`: the exchange rates of converted amounts."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path

from spendmeter_clickhouse.scopes import PLATFORM_WRITE
from spendmeter_rollups.budgets.rates import RateAnswer, RateBody, write_rate
from spendmeter_rollups.http.audit_log import record_action
from spendmeter_rollups.http.routes.usage import PROBLEMS
from spendmeter_rollups.http.service import RequestContextDep

router = APIRouter(prefix="/v1/fx-rates", tags=["currency"], responses=PROBLEMS)


@router.put("/{currency}/{rate_date}")
async def put_rate(
    currency: Annotated[str, Path(pattern=r"^[A-Z]{3}$", examples=["INR"])],
    rate_date: Annotated[date, Path(ge=date(2000, 1, 1), le=date(2100, 1, 1))],
    body: RateBody,
    context: RequestContextDep,
) -> RateAnswer:
    """Set the rate of a day. Windows that end earlier keep their rate."""
    context.credential.require(PLATFORM_WRITE)
    answer = await write_rate(context.service.writer, currency, rate_date, body, now=context.service.clock())
    await record_action(context, "rate.set", org_id="", subject=f"{currency} {rate_date}")
    return answer
