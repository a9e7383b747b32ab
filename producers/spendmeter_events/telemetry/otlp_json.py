"""Read spans of OTLP in JSON. Contents of prompts and answers are not copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spendmeter_events.telemetry.spans import FinishedSpan

LONGEST_TEXT: Final = 2048
"""Longer texts are contents; only their attribute's name is kept."""
_ERROR: Final = (2, "STATUS_CODE_ERROR")


class InvalidSpans(ValueError):
    """The document is not an ExportTraceServiceRequest."""


_NO_INTEGER: Final = "not an integer"
"""Replaces a value, which may be content: a count with it is doubtful, not zero."""


def spans_of_json(document: object) -> Iterator[FinishedSpan]:
    """Yield the spans of a decoded ExportTraceServiceRequest. Raises `InvalidSpans`. Unknown fields are ignored."""
    for resource_spans in _objects(document, "resourceSpans", "resource_spans"):
        resource = attributes_of_json(_object(resource_spans.get("resource")))
        for scope_spans in _objects(resource_spans, "scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
            scope = _object(scope_spans.get("scope"))
            named = (_text(scope.get("name")), _text(scope.get("version")))
            for span in _objects(scope_spans, "spans"):
                yield _span(span, resource, named)


def attributes_of_json(owner: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a span or resource: text, numbers and booleans."""
    found = {}
    for pair in _objects(owner, "attributes"):
        key, value = pair.get("key"), _value(_object(pair.get("value")))
        if isinstance(key, str) and value is not None:
            found[key] = value
    return found


def _span(span: Mapping[str, Any], resource: Mapping[str, Any], scope: tuple[str, str]) -> FinishedSpan:
    return FinishedSpan(
        trace_id=_text(_first(span, "traceId", "trace_id")).lower(),
        span_id=_text(_first(span, "spanId", "span_id")).lower(),
        parent_id=_text(_first(span, "parentSpanId", "parent_span_id")).lower(),
        started_ns=_integer(_first(span, "startTimeUnixNano", "start_time_unix_nano")) or 0,
        ended_ns=_integer(_first(span, "endTimeUnixNano", "end_time_unix_nano")) or 0,
        failed=_object(span.get("status")).get("code") in _ERROR,
        scope=scope,
        attributes=attributes_of_json(span),
        resource=resource,
    )


def _value(typed: Mapping[str, Any]) -> str | int | float | bool | None:
    for name, value in typed.items():
        match name:
            case "stringValue" | "string_value" if isinstance(value, str):
                return value if len(value) <= LONGEST_TEXT else ""
            case "intValue" | "int_value":
                found = _integer(value)
                return _NO_INTEGER if found is None else found
            case "doubleValue" | "double_value" if isinstance(value, int | float):
                return value
            case "boolValue" | "bool_value" if isinstance(value, bool):
                return value
    return None


def _objects(owner: object, *names: str) -> Iterator[Mapping[str, Any]]:
    for name in names:
        values = _object(owner).get(name)
        if values is None:
            continue
        if not isinstance(values, list):
            raise InvalidSpans(f"{name}: not an array")
        yield from (_object(value) for value in values)
        return


def _object(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidSpans("an object is expected")
    return value


def _first(owner: Mapping[str, Any], *names: str) -> object:
    return next((owner[name] for name in names if name in owner), None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _integer(value: object) -> int | None:
    """Return a 64-bit integer, which JSON has as a number or text; None where it is neither."""
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and value.isascii() and len(value) <= 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64 else None
