"""OTLP/HTTP: read the body of `POST /v1/traces`, and write its answers, in protobuf or JSON."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from fastapi.responses import JSONResponse, Response
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from pydantic_core import from_json

from spendmeter_events.telemetry.otlp_json import LONGEST_TEXT, InvalidSpans, spans_of_json
from spendmeter_events.telemetry.spans import FinishedSpan
from spendmeter_rollups.problems import Problem

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_CODES: Final = {400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 413: 8, 415: 3, 422: 3, 429: 8, 503: 14}
"""HTTP status → code of google.rpc.Status."""
_UNKNOWN: Final = 2
MOST_SPANS: Final = 50_000
"""A body of empty spans has millions."""
_SCALARS: Final = ("int_value", "double_value", "bool_value")


def encoding_of(content_type: str) -> str:
    """Return the encoding of a request. Raises `Problem` (415)."""
    found = content_type.partition(";")[0].strip().lower()
    if found in (PROTOBUF, JSON):
        return found
    detail = f"Content-Type must be {PROTOBUF} or {JSON}"
    raise Problem(status=415, kind="unsupported-encoding", title="Unsupported encoding", detail=detail)


def spans_of(body: bytes, encoding: str) -> list[FinishedSpan]:
    """Return all spans of a request. Raises `Problem` (400, 413)."""
    try:
        found = (
            _spans_of_protobuf(body)
            if encoding == PROTOBUF
            else spans_of_json(from_json(body.removeprefix(BOM_UTF8) or b"{}"))
        )
        spans = list(islice(found, MOST_SPANS + 1))
    except (DecodeError, InvalidSpans, ValueError):
        detail = "the body is not an ExportTraceServiceRequest in the encoding of its Content-Type"
        raise Problem(status=400, kind="invalid-body", title="Invalid body", detail=detail) from None
    if len(spans) > MOST_SPANS:
        detail = f"the body has more than {MOST_SPANS} spans: send several requests"
        raise Problem(status=413, kind="body-too-large", title="Body too large", detail=detail)
    return spans


def success(encoding: str, *, refused: int = 0, reason: str = "") -> Response:
    """Return the answer to a request whose spans were processed, except `refused` ones."""
    if encoding == JSON:
        partial = {"rejectedSpans": str(refused), "errorMessage": reason}
        return JSONResponse({"partialSuccess": partial} if refused else {})
    answer = ExportTraceServiceResponse()
    if refused:
        answer.partial_success.rejected_spans, answer.partial_success.error_message = refused, reason
    return Response(answer.SerializeToString(), media_type=PROTOBUF)


def failure(encoding: str, problem: Problem) -> Response:
    """Return the answer for `problem`: a google.rpc.Status."""
    code = _CODES.get(problem.status, _UNKNOWN)
    if encoding == JSON:
        body = {"code": code, "message": problem.detail}
        return JSONResponse(body, status_code=problem.status, headers=problem.headers)
    # google.rpc.Status has the same wire format: an integer with number 1, and a text with number 2.
    wire = ExportTracePartialSuccess(rejected_spans=code, error_message=problem.detail).SerializeToString()
    return Response(wire, status_code=problem.status, headers=problem.headers, media_type=PROTOBUF)


def _spans_of_protobuf(body: bytes) -> Iterator[FinishedSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            scope = (scope_spans.scope.name, scope_spans.scope.version)
            for span in scope_spans.spans:
                yield _span(span, resource, scope)


def _span(span: WireSpan, resource: Mapping[str, Any], scope: tuple[str, str]) -> FinishedSpan:
    return FinishedSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        started_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        scope=scope,
        attributes=_attributes(span.attributes),
        resource=resource,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    pair: KeyValue
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        if kind == "string_value":
            text = pair.value.string_value
            found[pair.key] = text if len(text) <= LONGEST_TEXT else ""
        elif kind in _SCALARS:
            found[pair.key] = getattr(pair.value, kind)
    return found
