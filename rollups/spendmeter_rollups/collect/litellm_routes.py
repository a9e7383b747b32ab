"""`POST /v1/litellm`: count the calls that a LiteLLM proxy or SDK logs with its `generic_api` callback."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from spendmeter_clickhouse.scopes import EVENTS_WRITE
from spendmeter_events import UsageEvent
from spendmeter_events.normalize.record import InvalidRecord, event_of
from spendmeter_events.telemetry.litellm import fields_of_payload
from spendmeter_rollups.access.auth import Credential
from spendmeter_rollups.collect.event_bodies import MOST_LOG_BODY_BYTES, decompressed, values_of
from spendmeter_rollups.collect.judged import Judged, RecentEvents, answer, check_event, judge, publish
from spendmeter_rollups.http.service import RequestContextDep
from spendmeter_rollups.problems import ProblemAnswer

router = APIRouter(tags=["events"])


@router.post("/v1/litellm", responses={code: {"model": ProblemAnswer} for code in (400, 401, 403, 413, 415, 429, 503)})
async def post_litellm_payloads(request: Request, context: RequestContextDep) -> JSONResponse:
    """Publish the calls of StandardLoggingPayloads (one, an array or NDJSON), and respond as `POST /v1/events`."""
    context.credential.require(EVENTS_WRITE)
    body, headers = await request.body(), dict(request.headers)
    now, recent = context.service.clock(), request.app.state.recent_events
    judged = await asyncio.to_thread(_judge, body, headers, context.credential, now, recent)
    await publish(request.app, judged)
    return answer(judged)


def _judge(
    body: bytes, headers: Mapping[str, str], credential: Credential, now: datetime, recent: RecentEvents
) -> Judged:
    def read(content: Any) -> UsageEvent:
        if isinstance(content, InvalidRecord):
            raise content
        fields = fields_of_payload(content, bound=credential.org_id is not None)
        event = event_of(fields, org_id=credential.org_id or "")
        check_event(event, credential, now)
        return event

    plain = decompressed(body, headers.get("content-encoding", ""), most=MOST_LOG_BODY_BYTES)
    return judge(values_of(plain), read, recent)
