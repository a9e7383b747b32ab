"""`POST /v1/events`: accept usage events of a credential's orgs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from spendmeter_clickhouse.scopes import EVENTS_WRITE
from spendmeter_events import UsageEvent
from spendmeter_events.normalize.record import InvalidRecord, check_time, event_of
from spendmeter_rollups.access.auth import Credential
from spendmeter_rollups.collect.event_bodies import contents, decompressed
from spendmeter_rollups.collect.event_publisher import EventPublisher
from spendmeter_rollups.collect.metrics import CollectorMetrics
from spendmeter_rollups.http.service import RequestContextDep
from spendmeter_rollups.problems import Problem, ProblemAnswer, invalid_parameter

router = APIRouter(tags=["events"])


@dataclass(slots=True)
class Judged:
    """The events of one request, and the result of each in the order of the body."""

    events: list[UsageEvent] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0

    @property
    def duplicates(self) -> int:
        """Events that repeat an event of the same body."""
        return len(self.results) - len(self.events) - self.refused


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
    now = context.service.clock()
    # Thousands of events take longer than other requests should wait.
    judged = await asyncio.to_thread(_judge, body, headers, context.credential, zone, now)
    publisher: EventPublisher = request.app.state.publisher
    metrics: CollectorMetrics = request.app.state.collector_metrics
    if judged.events:
        try:
            await publisher.publish(judged.events)
        except Problem:
            metrics.count(unacknowledged=len(judged.events))
            raise
    counts = {"accepted": len(judged.events), "duplicates": judged.duplicates, "refused": judged.refused}
    metrics.count(**counts)
    answer = {**counts, "results": judged.results}
    status = 200 if not judged.refused else 207 if judged.events else 422
    return JSONResponse(answer, status_code=status)


def _judge(
    body: bytes, headers: Mapping[str, str], credential: Credential, zone: tzinfo | None, now: datetime
) -> Judged:
    judged, seen = Judged(), set[UUID]()
    found: Sequence[Any] = contents(decompressed(body, headers.get("content-encoding", "")), headers)
    for index, content in enumerate(found):
        try:
            event = _event(content, credential, zone, now)
        except InvalidRecord as error:
            judged.refused += 1
            reason = {"code": error.code, "field": error.field, "reason": error.message}
            judged.results.append({"index": index, "status": "refused", **reason})
            continue
        repeated = event.event_id in seen
        seen.add(event.event_id)
        status = "duplicate" if repeated else "accepted"
        judged.results.append({"index": index, "status": status, "event_id": str(event.event_id)})
        if not repeated:
            judged.events.append(event)
    return judged


def _event(content: Any, credential: Credential, zone: tzinfo | None, now: datetime) -> UsageEvent:
    if isinstance(content, InvalidRecord):
        raise content
    event = event_of(content, zone=zone, org_id=credential.org_id or "")
    check_time(event, now=now)
    if credential.org_id is not None and event.org_id != credential.org_id:
        raise InvalidRecord("forbidden_org", "org_id: this credential may only write its own org", field="org_id")
    return event


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise invalid_parameter("timezone", "unknown zone; use an IANA name such as Asia/Kolkata") from None
