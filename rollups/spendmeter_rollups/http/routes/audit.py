"""`/v1/audit`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from spendmeter_rollups.http.audit_log import AuditAnswer, AuditParams, audit
from spendmeter_rollups.http.routes.usage import PROBLEMS
from spendmeter_rollups.http.service import RequestContextDep

router = APIRouter(prefix="/v1/audit", tags=["audit"], responses=PROBLEMS)


@router.get("", response_model=AuditAnswer)
async def get_audit(params: Annotated[AuditParams, Query()], context: RequestContextDep) -> Response:
    """Reads of users' pages, and writes of keys, budgets and rates, newest first."""
    return await context.encoded(audit(context, params))
