"""Convert spans of model calls to event fields. A span of an agent, tool or chain repeats the usage of its calls."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from spendmeter_events.event import MAX_TAGS
from spendmeter_events.extract import USAGE_TAG, from_otel
from spendmeter_events.extract._spans.attributes import usage_attributes
from spendmeter_events.extract._spans.facts import shows_model_call
from spendmeter_events.telemetry.span_names import FIELDS, TAG_PREFIXES

_LONGEST: Final = 128
_LONGEST_TAG: Final = 256
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_MILLISECOND_NS: Final = 1_000_000
SpanKey = tuple[str, str]
"""Trace id and span id."""
_ROOT: Final[SpanKey] = ("", "")
_MOST_LEVELS: Final = 100
"""Spans around a span that are considered: parents may form a circle, or a chain that takes minutes."""
_SERVICES: Final = {
    "embed": "embedding",
    "rerank": "rerank",
    "image": "image",
    "generate_image": "image",
    "speech": "speech",
    "text_to_speech": "speech",
    "transcription": "transcription",
    "speech_to_text": "transcription",
}
"""Leading letters of an operation → service."""
_FIRST_CHUNK: Final = (
    ("gen_ai.response.time_to_first_chunk", 1000),
    ("gen_ai.client.operation.time_to_first_chunk", 1000),
    ("gen_ai.server.time_to_first_token", 1000),
    ("ai.response.msToFirstChunk", 1),
)
"""Attribute of the time to the first token → factor to milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedSpan:
    """A finished span. Attributes are text, numbers and booleans; anything else is left out."""

    trace_id: str
    span_id: str
    """Lower-case hexadecimal, as are the other ids."""
    parent_id: str = ""
    started_ns: int
    ended_ns: int
    failed: bool = False
    scope: tuple[str, str] = ("", "")
    """Name and version of the instrumentation."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    resource: Mapping[str, Any] = field(default_factory=dict)


def model_calls(spans: Sequence[FinishedSpan], counted_inside: Container[SpanKey] = ()) -> list[FinishedSpan]:
    """Return the spans of model calls, each call once.

    Where a framework and the provider's SDK are both instrumented, the span of the SDK is inside that of the
    framework, and both are model calls. The inner one counts, unless only the outer one has usage.

    :param counted_inside: spans with a call inside that was counted before, as `spans_around` returns them.
    """
    parents = _parents(spans)
    known = {key for key in parents if key in counted_inside}
    known |= {above for key in known for above in _ancestors(key, parents)}
    calls = {_key(span): span for span in spans if shows_model_call(span.attributes)}
    calls = {key: span for key, span in calls.items() if key not in known}
    if len(calls) < 2:
        return list(calls.values())
    used = {key: bool(usage_attributes(span.attributes)) for key, span in calls.items()}
    repeated: set[SpanKey] = set()
    for key in calls:
        around = list(_ancestors(key, parents))
        if key in around:
            # Parents that form a circle: no span of it is the outer one.
            continue
        for above in around:
            if above in calls:
                only_outer = used[above] and not used[key]
                repeated.add(key if only_outer else above)
    return [span for key, span in calls.items() if key not in repeated]


def spans_around(
    calls: Iterable[FinishedSpan], spans: Sequence[FinishedSpan] = (), counted_inside: Container[SpanKey] = ()
) -> list[SpanKey]:
    """Return the spans around calls with usage. Exporters send an outer span later, often in another request.

    :param calls: model calls among `spans` that are counted.
    :param counted_inside: as in `model_calls`. Spans around those are spans around a call, too.
    """
    parents = _parents(spans)
    inside = [_key(call) for call in calls if usage_attributes(call.attributes)]
    inside += [key for key in parents if key in counted_inside]
    parents |= {_key(call): (call.trace_id, call.parent_id) for call in calls}
    return [above for key in inside for above in _ancestors(key, parents, beyond=True)]


def _key(span: FinishedSpan) -> SpanKey:
    return span.trace_id, span.span_id


def _parents(spans: Iterable[FinishedSpan]) -> dict[SpanKey, SpanKey]:
    return {_key(span): (span.trace_id, span.parent_id) for span in spans}


def _ancestors(key: SpanKey, parents: Mapping[SpanKey, SpanKey], *, beyond: bool = False) -> Iterator[SpanKey]:
    """Yield the spans around a span, up to the first one that is not in `parents`; with `beyond`, that one as well."""
    for _ in range(_MOST_LEVELS):
        key = parents.get(key, _ROOT)
        if key not in parents and not (beyond and key[1]):
            return
        yield key


def fields_of_span(span: FinishedSpan, *, mapped: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Return the event fields of a model call, as JSON values; without `org_id` if no attribute names it.

    :param mapped: field, or `tags.NAME` → attribute of the span or resource that has it.
    """
    usage = from_otel(span.attributes, scope=span.scope)
    found: dict[str, Any] = usage.as_fields()
    tags = found.pop("tags", {})
    found |= {
        "event_id": f"otlp:{span.trace_id}:{span.span_id}",
        "occurred_at": span.started_ns,
        "provider": usage.provider or "unknown",
        "model": usage.model or "unknown",
        "latency_ms": _latency(span),
        "streamed": _streamed(span.attributes),
        "service": _service(span.attributes),
    }
    if (first := _first_chunk(span.attributes)) is not None:
        found |= {"ttft_ms": first, "streamed": True}
    if span.failed or usage.status == "error":
        found |= {"status": "error", "error_type": found.get("error_type", "error")}
        if _answered_with_error(span.attributes):
            # The provider answered, and bills no failed request.
            tags.pop(USAGE_TAG, None)
    found |= _named(span, mapped)
    return {**found, "tags": dict(list({**tags, **_tags(span, mapped)}.items())[:MAX_TAGS])}


def _latency(span: FinishedSpan) -> int | None:
    """Return the duration; None if a clock was wrong, which does not change what the call cost."""
    found = max(0, span.ended_ns - span.started_ns) // _MILLISECOND_NS
    return found if found < 2**31 else None


def _named(span: FinishedSpan, mapped: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that attributes name: mapped ones first, then ours, then those of other conventions."""
    found = {}
    for name, attributes in FIELDS.items():
        own = (mapped[name],) if name in mapped else ()
        if value := _first(span, (*own, *attributes)):
            found[name] = value
    found.setdefault("feature", "unknown")
    return found


def _first(span: FinishedSpan, names: Iterable[str]) -> str:
    for name in names:
        for source in (span.attributes, span.resource):
            if name in source and (value := _clean(source[name], _LONGEST)):
                return value
    return ""


def _tags(span: FinishedSpan, mapped: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for source in (span.resource, span.attributes):
        for name, value in source.items():
            prefix = next((prefix for prefix in TAG_PREFIXES if name.startswith(prefix)), None)
            if prefix is not None:
                found[name[len(prefix) :]] = value
    found |= {
        name: span.resource[name] for name in ("service.name", "deployment.environment.name") if name in span.resource
    }
    for name, attribute in mapped.items():
        if name.startswith("tags."):
            found[name.removeprefix("tags.")] = _first(span, (attribute,))
    cleaned = {name[:64]: _clean(value, _LONGEST_TAG) for name, value in found.items()}
    return {name: value for name, value in cleaned.items() if name and value}


def _clean(value: object, most: int) -> str:
    """Return text that fits into a field; nothing of values that are neither text nor numbers."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    return _CONTROL.sub(" ", str(value)).strip()[:most] if isinstance(value, str | int | float) else ""


def _service(attributes: Mapping[str, Any]) -> str:
    operation = str(attributes.get("gen_ai.operation.name") or attributes.get("llm.request.type") or "").lower()
    kind = str(attributes.get("openinference.span.kind") or attributes.get("ai.operationId") or "").lower()
    if kind == "embedding" or kind.endswith(".doembed"):
        return "embedding"
    return next((service for prefix, service in _SERVICES.items() if operation.startswith(prefix)), "chat")


def _streamed(attributes: Mapping[str, Any]) -> bool:
    if str(attributes.get("ai.operationId", "")).endswith(".doStream"):
        return True
    return any(
        attributes.get(name) is True for name in ("gen_ai.request.stream", "llm.is_streaming", "gen_ai.is_streaming")
    )


def _first_chunk(attributes: Mapping[str, Any]) -> int | None:
    for name, factor in _FIRST_CHUNK:
        value = attributes.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value * factor < 2**31:
            return int(value * factor)
    return None


def _answered_with_error(attributes: Mapping[str, Any]) -> bool:
    status = str(attributes.get("http.response.status_code") or attributes.get("error.type") or "")
    return status[:1] in ("4", "5") and len(status) == 3 and status.isdecimal()
