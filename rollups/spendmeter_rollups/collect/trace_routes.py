"""`POST /v1/traces`: count the model calls among the spans of an OpenTelemetry exporter (OTLP/HTTP)."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from spendmeter_clickhouse.scopes import EVENTS_WRITE
from spendmeter_events import UsageEvent
from spendmeter_events.normalize.record import InvalidRecord, event_of
from spendmeter_events.telemetry.spans import FinishedSpan, SpanKey, fields_of_span, model_calls, spans_around
from spendmeter_rollups.collect.batch_result import BatchContext, BatchResult, RecentKeys, publish, validate
from spendmeter_rollups.collect.event_bodies import MOST_LOG_BODY_BYTES, decompressed
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
    mapped = context.service.settings.mapped_attributes
    batch = BatchContext(context.credential, context.service.clock(), request.app.state.recent_events)
    around = _OuterSpans(request.app.state.recent_outer_spans, batch.org_id)

    def work() -> tuple[list[SpanKey], BatchResult]:
        spans = spans_of(decompressed(body, compression, most=MOST_LOG_BODY_BYTES), encoding)
        calls = model_calls(spans, around)
        result = _validate(calls, batch, mapped)
        counted = [call for call, each in zip(calls, result.results, strict=True) if each["status"] != "refused"]
        return spans_around(counted, spans, around), result

    outer, result = await asyncio.to_thread(work)
    await publish(request.app, result)
    around.add(outer)
    return success(encoding, refused=result.refused, reason=_reasons(result))


class _OuterSpans:
    """Spans around counted calls of one org's credentials, or of those for all orgs: no org may hide a call of another,
    whose trace ids it may see."""

    def __init__(self, recent: RecentKeys, org_id: str) -> None:
        self._recent = recent
        self._org = org_id

    def __contains__(self, span: object) -> bool:
        return isinstance(span, tuple) and (self._org, *span) in self._recent

    def add(self, spans: Iterable[SpanKey]) -> None:
        """Add spans, and drop the oldest ones."""
        self._recent.add((self._org, *span) for span in spans)


def _validate(calls: list[FinishedSpan], batch: BatchContext, mapped: Mapping[str, str]) -> BatchResult:
    def read(span: FinishedSpan) -> UsageEvent:
        if not _TRACE.fullmatch(span.trace_id) or not _SPAN.fullmatch(span.span_id):
            raise InvalidRecord("invalid_field", "trace id or span id: not 16 and 8 bytes", field="event_id")
        return event_of(fields_of_span(span, mapped=mapped), org_id=batch.org_id)

    return validate(calls, read, batch)


def _reasons(result: BatchResult) -> str:
    found = Counter(each["reason"] for each in result.results if each["status"] == "refused")
    return "; ".join(f"{count} refused: {reason}" for reason, count in found.most_common(_MOST_REASONS))
