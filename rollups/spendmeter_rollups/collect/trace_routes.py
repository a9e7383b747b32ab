"""`POST /v1/traces`: count the model calls among the spans of an OpenTelemetry exporter (OTLP/HTTP)."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from spendmeter_clickhouse.scopes import EVENTS_WRITE
from spendmeter_events import UsageEvent
from spendmeter_events.normalize.record import InvalidRecord, event_of
from spendmeter_events.telemetry.spans import FinishedSpan, SpanKey, fields_of_span, model_calls, spans_around
from spendmeter_rollups.access.auth import Credential
from spendmeter_rollups.collect.event_bodies import MOST_LOG_BODY_BYTES, decompressed
from spendmeter_rollups.collect.judged import Judged, RecentEvents, RecentKeys, check_event, judge, publish
from spendmeter_rollups.collect.otlp_bodies import JSON, PROTOBUF, encoding_of, failure, spans_of, success
from spendmeter_rollups.http.service import RequestContextDep
from spendmeter_rollups.problems import Problem, ProblemWhileReading

_TRACE: Final = re.compile(r"[0-9a-f]{32}")
_SPAN: Final = re.compile(r"[0-9a-f]{16}")
_MOST_REASONS: Final = 3


class OtlpRoute(APIRoute):
    """A route whose errors, also those of authentication and limits, are a google.rpc.Status as OTLP requires."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of this route."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            encoding = JSON if JSON in request.headers.get("content-type", "") else PROTOBUF
            try:
                return await handler(request)
            except Problem as problem:
                return failure(encoding, problem)
            except ProblemWhileReading as error:
                return failure(encoding, error.problem)

        return handle


router = APIRouter(tags=["events"], route_class=OtlpRoute)


@router.post("/v1/traces", response_class=Response)
async def post_traces(request: Request, context: RequestContextDep) -> Response:
    """Publish the model calls of an ExportTraceServiceRequest (protobuf or JSON), and respond once Kafka acknowledges
    them. Other spans are ignored; refused model calls are in `partial_success`."""
    context.credential.require(EVENTS_WRITE)
    encoding = encoding_of(request.headers.get("content-type", ""))
    body, compression = await request.body(), request.headers.get("content-encoding", "")
    mapped, recent = context.service.settings.mapped_attributes, request.app.state.recent_events

    around = _OuterSpans(request.app.state.recent_outer_spans, context.credential)

    def work() -> tuple[list[SpanKey], Judged]:
        spans = spans_of(decompressed(body, compression, most=MOST_LOG_BODY_BYTES), encoding)
        calls = model_calls(spans, around)
        judged = _judge(calls, context.credential, mapped, context.service.clock(), recent)
        counted = [call for call, result in zip(calls, judged.results, strict=True) if result["status"] != "refused"]
        return spans_around(counted, spans, around), judged

    outer, judged = await asyncio.to_thread(work)
    await publish(request.app, judged)
    around.add(outer)
    return success(encoding, refused=judged.refused, reason=_reasons(judged))


class _OuterSpans:
    """Spans around counted calls of one org's credentials, or of those for all orgs: no org may hide a call of another,
    whose trace ids it may see."""

    def __init__(self, recent: RecentKeys, credential: Credential) -> None:
        self._recent = recent
        self._org = credential.org_id or ""

    def __contains__(self, span: object) -> bool:
        return isinstance(span, tuple) and (self._org, *span) in self._recent

    def add(self, spans: Iterable[SpanKey]) -> None:
        """Add spans, and drop the oldest ones."""
        self._recent.add((self._org, *span) for span in spans)


def _judge(
    calls: list[FinishedSpan], credential: Credential, mapped: Mapping[str, str], now: datetime, recent: RecentEvents
) -> Judged:
    def read(span: FinishedSpan) -> UsageEvent:
        if not _TRACE.fullmatch(span.trace_id) or not _SPAN.fullmatch(span.span_id):
            raise InvalidRecord("invalid_field", "trace id or span id: not 16 and 8 bytes", field="event_id")
        event = event_of(fields_of_span(span, mapped=mapped), org_id=credential.org_id or "")
        check_event(event, credential, now)
        return event

    return judge(calls, read, recent)


def _reasons(judged: Judged) -> str:
    found = Counter(result["reason"] for result in judged.results if result["status"] == "refused")
    return "; ".join(f"{count} refused: {reason}" for reason, count in found.most_common(_MOST_REASONS))
