"""`POST /v1/events`: accept usage events of a credential's orgs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import tzinfo
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from spendmeter_clickhouse.scopes import EVENTS_WRITE
from spendmeter_events.normalize.record import event_of
from spendmeter_rollups.collect.batch_result import BatchContext, BatchResult, answer, publish, validate
from spendmeter_rollups.collect.event_bodies import contents, decompressed
from spendmeter_rollups.http.service import RequestContextDep
from spendmeter_rollups.problems import ProblemAnswer, invalid_parameter

router = APIRouter(tags=["events"])


@router.post("/v1/events", responses={code: {"model": ProblemAnswer} for code in (400, 401, 403, 413, 415, 429, 503)})
async def post_events(
    request: Request,
    context: RequestContextDep,
    timezone: Annotated[str, Query(max_length=64, description="zone of times without an offset")] = "",
) -> JSONResponse:
    """Publish events, and respond once Kafka acknowledges them: 200 all accepted, 207 some refused, 422 all refused."""
    context.credential.require(EVENTS_WRITE)
    zone = _zone(timezone)
    body, headers = await request.body(), dict(request.headers)
    batch = BatchContext(context.credential, context.service.clock(), request.app.state.recent_events)
    # Thousands of events take longer than other requests should wait.
    result = await asyncio.to_thread(_validate, body, headers, batch, zone)
    await publish(request.app, result)
    return answer(result)


def _validate(body: bytes, headers: Mapping[str, str], batch: BatchContext, zone: tzinfo | None) -> BatchResult:
    plain = decompressed(body, headers.get("content-encoding", ""))
    return validate(contents(plain, headers), partial(event_of, zone=zone, org_id=batch.org_id), batch)


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise invalid_parameter("timezone", "unknown zone; use an IANA name such as Asia/Kolkata") from None
