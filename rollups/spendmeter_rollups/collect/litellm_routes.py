"""`POST /v1/litellm`: count the calls that a LiteLLM proxy or SDK logs with its `generic_api` callback."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from spendmeter_clickhouse.scopes import EVENTS_WRITE
from spendmeter_events import UsageEvent
from spendmeter_events.normalize.record import event_of
from spendmeter_events.telemetry.litellm import fields_of_payload
from spendmeter_rollups.collect.batch_result import BatchContext, BatchResult, answer, publish, validate
from spendmeter_rollups.collect.event_bodies import MOST_LOG_BODY_BYTES, decompressed, values_of
from spendmeter_rollups.http.service import RequestContextDep
from spendmeter_rollups.problems import ProblemAnswer

router = APIRouter(tags=["events"])


@router.post("/v1/litellm", responses={code: {"model": ProblemAnswer} for code in (400, 401, 403, 413, 415, 429, 503)})
async def post_litellm_payloads(request: Request, context: RequestContextDep) -> JSONResponse:
    """Publish the calls of StandardLoggingPayloads (one, an array or NDJSON), and respond as `POST /v1/events`."""
    context.credential.require(EVENTS_WRITE)
    body, headers = await request.body(), dict(request.headers)
    batch = BatchContext(context.credential, context.service.clock(), request.app.state.recent_events)
    result = await asyncio.to_thread(_validate, body, headers, batch)
    await publish(request.app, result)
    return answer(result)


def _validate(body: bytes, headers: Mapping[str, str], batch: BatchContext) -> BatchResult:
    def read(content: Any) -> UsageEvent:
        fields = fields_of_payload(content, bound=batch.credential.org_id is not None)
        return event_of(fields, org_id=batch.org_id)

    plain = decompressed(body, headers.get("content-encoding", ""), most=MOST_LOG_BODY_BYTES)
    return validate(values_of(plain), read, batch)
