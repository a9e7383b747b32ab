"""`/v1/alerts`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from spendmeter_rollups.budgets.spend_alerts import AlertsAnswer, AlertsParams, alerts
from spendmeter_rollups.http.routes.usage import PROBLEMS
from spendmeter_rollups.http.service import RequestContextDep

router = APIRouter(prefix="/v1/alerts", tags=["budgets"], responses=PROBLEMS)


@router.get("", response_model=AlertsAnswer)
async def get_alerts(params: Annotated[AlertsParams, Query()], context: RequestContextDep) -> Response:
    """Alerts on spend that were sent, newest first. An org's key gets those of its org."""
    visible = context.credential.visible_orgs()
    return await context.encoded(alerts(context.reader, params, visible))
