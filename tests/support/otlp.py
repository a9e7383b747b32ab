"""OTLP's JSON of a protobuf message."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def as_json(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return OTLP's JSON: ids in hexadecimal, 64-bit integers as text."""
    document: dict[str, Any] = MessageToDict(request)
    wire = [span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]
    plain = [span for each in document["resourceSpans"] for scope in each["scopeSpans"] for span in scope["spans"]]
    for span, ids in zip(plain, wire, strict=True):
        span |= {"traceId": ids.trace_id.hex().upper(), "spanId": ids.span_id.hex()}
        if ids.parent_span_id:
            span["parentSpanId"] = ids.parent_span_id.hex()
    return document
