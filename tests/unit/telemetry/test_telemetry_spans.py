"""Model calls among spans of every dialect, and the event fields of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from spendmeter_events.extract import from_otel
from spendmeter_events.normalize.record import event_of
from spendmeter_events.telemetry.otlp_json import InvalidSpans, attributes_of_json, spans_of_json
from spendmeter_events.telemetry.spans import FinishedSpan, fields_of_span, model_calls, spans_around

TRACE = "0af7651916cd43dd8448eb211c80319c"
START = 1_793_611_260_000_000_000
TOKENS = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}


def span(attributes: Mapping[str, Any], number: int = 1, *, parent: int = 0, failed: bool = False) -> FinishedSpan:
    return FinishedSpan(
        trace_id=TRACE,
        span_id=f"{number:016x}",
        parent_id=f"{parent:016x}" if parent else "",
        started_ns=START,
        ended_ns=START + 1_500_999_999,
        failed=failed,
        attributes=attributes,
        resource={"service.name": "tutor", "deployment.environment.name": "test", "spendmeter.org_id": "acme"},
    )


def test_a_call_seen_by_two_instrumentations_counts_once() -> None:
    chat = {"gen_ai.operation.name": "chat"}
    used = {**chat, **TOKENS}
    outer, between, inner = span(used, 1), span({}, 2, parent=1), span(used, 3, parent=2)
    assert model_calls([inner, between, outer]) == [inner]
    without_usage = span(chat, 3, parent=2)
    assert model_calls([without_usage, between, outer]) == [outer]
    # The outer span is exported later, in another request.
    assert model_calls([outer], spans_around([span(used, 3, parent=1)])) == []
    assert model_calls([outer], spans_around([span(chat, 3, parent=1)])) == [outer]
    # The span between them is in the request of the inner or of the outer one, or in one of its own.
    assert model_calls([outer], spans_around([inner], [inner, between])) == []
    assert model_calls([between, outer], spans_around([inner])) == []
    assert model_calls([outer], spans_around([], [between], spans_around([inner]))) == []
    sibling = span(used, 4, parent=2)
    assert model_calls([inner, sibling]) == [inner, sibling]
    cycle = [span(chat, 1, parent=2), span(chat, 2, parent=1)]
    assert model_calls(cycle) == cycle
    assert model_calls([*cycle, span(chat, 3, parent=1)])[-1].span_id.endswith("3")
    chain = [span(used, number, parent=number - 1) for number in range(1, 300)]
    assert model_calls(chain) == chain[-1:]


def test_a_wrong_clock_and_a_deeply_nested_usage_do_not_lose_the_call() -> None:
    call = replace(
        span({"gen_ai.operation.name": "chat", **TOKENS, "gen_ai.usage": '{"":' + "[" * 2000}), ended_ns=2**63
    )
    fields = fields_of_span(call)
    assert (fields["latency_ms"], fields["input_tokens"]) == (None, 100)
    event_of(fields, org_id="acme")
    metadata = {"ai.response.providerMetadata": '{"anthropic": {"cacheCreationInputTokens": 1e999}}'}
    assert fields_of_span(span({"gen_ai.operation.name": "chat", **TOKENS, **metadata}))["input_tokens"] == 100


def test_who_called_is_read_from_ours_then_from_known_attributes_then_from_the_resource() -> None:
    fields = fields_of_span(
        span(
            {
                **TOKENS,
                "gen_ai.operation.name": "chat",
                "gen_ai.conversation.id": "c-1",
                "enduser.id": "u-2",
                "ai.telemetry.metadata.spendmeter.feature": "essay",
                "ai.telemetry.functionId": "other",
                "traceloop.association.properties.spendmeter.tags.class": "5b",
                "spendmeter.tags.trial": True,
                "spendmeter.action": "title_generation",
                "gen_ai.agent.name": "tutor\x00agent" + "x" * 200,
            }
        )
    )
    event = event_of(fields)
    assert (event.org_id, event.user_id, event.feature) == ("acme", "u-2", "essay")
    assert (event.conversation_id, event.action) == ("c-1", "title_generation")
    assert event.agent_id == ("tutor agent" + "x" * 200)[:128]
    assert event.tags == {
        "class": "5b", "trial": "true", "service.name": "tutor", "deployment.environment.name": "test",
    }  # fmt: skip
    assert (event.latency_ms, event.input_tokens, event.output_tokens) == (1500, 100, 10)
    # The same span is the same event, also in another request.
    assert event.event_id == event_of(fields).event_id


def test_the_feature_is_the_service_where_nothing_else_names_one() -> None:
    assert fields_of_span(span({"gen_ai.operation.name": "chat"}))["feature"] == "tutor"


@pytest.mark.parametrize(
    ("attributes", "service", "streamed"),
    [
        ({"gen_ai.operation.name": "chat", "gen_ai.request.stream": True}, "chat", True),
        ({"gen_ai.operation.name": "embeddings"}, "embedding", False),
        ({"openinference.span.kind": "EMBEDDING"}, "embedding", False),
        ({"ai.operationId": "ai.embedMany.doEmbed"}, "embedding", False),
        ({"ai.operationId": "ai.streamText.doStream"}, "chat", True),
        ({"llm.request.type": "rerank"}, "rerank", False),
        ({"gen_ai.operation.name": "generate_images"}, "image", False),
    ],
)
def test_service_and_stream(attributes: dict[str, Any], service: str, streamed: bool) -> None:
    fields = fields_of_span(span(attributes))
    assert (fields["service"], fields["streamed"]) == (service, streamed)


def test_a_failed_call_is_an_error_and_has_no_text_of_the_provider() -> None:
    chat = {"gen_ai.operation.name": "chat"}
    refused = fields_of_span(span({**chat, "error.type": "429"}, failed=True))
    assert (refused["status"], refused["error_type"], refused["tags"].get("usage")) == ("error", "429", None)
    lost = fields_of_span(span(chat, failed=True))
    assert (lost["status"], lost["error_type"], lost["tags"]["usage"]) == ("error", "error", "missing")


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("gen_ai.response.time_to_first_chunk", 0.25, 250),
        ("ai.response.msToFirstChunk", 31.9, 31),
        ("ai.response.msToFirstChunk", "31", None),
        ("gen_ai.response.time_to_first_chunk", -1, None),
    ],
)
def test_time_to_first_token(attribute: str, value: object, expected: int | None) -> None:
    assert fields_of_span(span({"gen_ai.operation.name": "chat", attribute: value})).get("ttft_ms") == expected


def test_mapped_attributes_come_first_and_tags_have_a_limit() -> None:
    many = {f"spendmeter.tags.t{number}": number for number in range(40)}
    named = span({"gen_ai.operation.name": "chat", "tenant": "other", "course": 7, **many})
    fields = fields_of_span(named, mapped={"org_id": "tenant", "tags.course": "course"})
    assert fields["org_id"] == "other"
    assert len(fields["tags"]) == 16
    assert event_of(fields).org_id == "other"


def test_contents_are_not_copied_from_json() -> None:
    document = {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {
                        "scope": {"name": "pydantic-ai", "version": "1"},
                        "spans": [
                            {
                                "traceId": TRACE.upper(),
                                "spanId": "00f067aa0ba902b7",
                                "startTimeUnixNano": str(START),
                                "endTimeUnixNano": START + 1,
                                "status": {"code": "STATUS_CODE_ERROR"},
                                "attributes": [
                                    {"key": "gen_ai.prompt", "value": {"stringValue": "SECRET" * 1000}},
                                    {"key": "tokens", "value": {"intValue": "12"}},
                                    {"key": "flag", "value": {"boolValue": True}},
                                    {"key": "cost", "value": {"doubleValue": 0.5}},
                                    {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "SECRET"}]}}},
                                    {"key": "odd", "value": {"intValue": "many"}},
                                    {"key": 3, "value": {"intValue": 1}},
                                    {"key": "none"},
                                ],
                            }
                        ],
                    }
                ],
                "unknown": 1,
            }
        ]
    }
    (found,) = spans_of_json(document)
    assert found == FinishedSpan(
        trace_id=TRACE,
        span_id="00f067aa0ba902b7",
        started_ns=START,
        ended_ns=START + 1,
        failed=True,
        scope=("pydantic-ai", "1"),
        attributes={"gen_ai.prompt": "", "tokens": 12, "flag": True, "cost": 0.5, "odd": "not an integer"},
    )
    assert list(spans_of_json({})) == []
    with pytest.raises(InvalidSpans):
        list(spans_of_json(json.loads("[]")))


@pytest.mark.parametrize("count", ["-", "1e400", "12.5", "9" * 30, {}, True])
def test_a_count_that_is_no_integer_is_doubtful_instead_of_zero(count: object) -> None:
    attributes = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.provider.name", "value": {"stringValue": "openai"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": count}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "10"}},
    ]
    usage = from_otel(attributes_of_json({"attributes": attributes}))
    assert (usage.state, usage.output_tokens) == ("inconsistent", 10)
