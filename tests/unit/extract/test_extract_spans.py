"""Spans: whether they are model calls, their provider, and whether their input includes cached tokens."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from spendmeter_events.extract import InconsistentUsage, from_otel

CACHED = {
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
    "gen_ai.usage.cache_read.input_tokens": 60,
}
OUTSIDE, INSIDE = (100, 60), (40, 60)
BEDROCK = "opentelemetry.instrumentation.bedrock"


def span(**attributes: Any) -> dict[str, Any]:
    return {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5, **attributes}


@pytest.mark.parametrize(
    ("attributes", "counted"),
    [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"gen_ai.operation.name": "text_completion"}, True),
        ({"gen_ai.operation.name": "generate_content"}, True),
        ({"gen_ai.operation.name": "embeddings"}, True),
        ({"gen_ai.operation.name": "invoke_agent"}, False),
        ({"gen_ai.operation.name": "execute_tool"}, False),
        ({"gen_ai.operation.name": "create_agent"}, False),
        ({"gen_ai.operation.name": "invoke_workflow"}, False),
        ({"gen_ai.operation.name": "retrieval"}, False),
        ({"gen_ai.operation.name": "handoff"}, False),
        ({"openinference.span.kind": "LLM"}, True),
        ({"openinference.span.kind": "AGENT"}, False),
        ({"openinference.span.kind": "TOOL"}, False),
        ({"traceloop.span.kind": "agent"}, False),
        ({"traceloop.span.kind": "task"}, False),
        ({"langfuse.observation.type": "span"}, False),
        ({"langsmith.span.kind": "chain"}, False),
        ({"mlflow.spanType": '"AGENT"'}, False),
        ({"mlflow.spanType": '"CHAT_MODEL"'}, True),
        ({"ai.operationId": "ai.streamText"}, False),
        ({"agent_name": "tutor", "all_messages_events": "[]"}, False),
        ({"ai.operationId": "ai.generateObject.doGenerate"}, True),
        ({}, True),
    ],
)
def test_only_model_calls_count(attributes: dict[str, Any], counted: bool) -> None:
    usage = from_otel(span(**attributes))
    assert (usage.total_tokens, usage.state) == ((15, "complete") if counted else (0, "not_inference"))


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("openai.responses", "openai"),
        ("openai.chat", "openai"),
        ("OpenAI", "openai"),
        ("anthropic.messages", "anthropic"),
        ("google.generative-ai", "gemini"),
        ("google_genai", "gemini"),
        ("gcp.gen_ai", "gemini"),
        ("google.vertex.chat", "vertex"),
        ("vertex.anthropic.messages", "vertex"),
        ("vertex_ai", "vertex"),
        ("google_vertexai", "vertex"),
        ("azure-openai.chat", "azure"),
        ("azure.openai", "azure"),
        ("az.ai.openai", "azure"),
        ("amazon-bedrock", "bedrock"),
        ("aws.bedrock", "bedrock"),
        ("AWS", "bedrock"),
        ("xai.chat", "xai"),
        ("x_ai", "xai"),
        ("Mistral AI", "mistral"),
        ("mistral_ai", "mistral"),
        ("moonshot_ai", "moonshotai"),
        ("together_ai", "together"),
        ("togetherai.chat", "together"),
        ("fireworks_ai", "fireworks"),
        ("deepseek.chat", "deepseek"),
        ("ibm.watsonx.ai", "ibm.watsonx.ai"),
        ("our-gateway.chat", "our-gateway"),
    ],
)
def test_a_system_is_its_provider_without_the_api(name: str, provider: str) -> None:
    for key in ("gen_ai.system", "gen_ai.provider.name", "llm.provider", "ai.model.provider"):
        assert from_otel(span(**{key: name})).provider == provider


@pytest.mark.parametrize(
    ("scope", "counts", "state"),
    [
        ({"name": BEDROCK, "version": "0.62.3"}, OUTSIDE, "complete"),
        ((BEDROCK, "0.47.0"), OUTSIDE, "complete"),
        ((BEDROCK,), OUTSIDE, "complete"),
        (BEDROCK, OUTSIDE, "complete"),
        ((BEDROCK, "0.70.0"), INSIDE, "ambiguous"),
        (SimpleNamespace(name="opentelemetry.instrumentation.botocore", version=None), OUTSIDE, "complete"),
        ("opentelemetry.instrumentation.anthropic", INSIDE, "complete"),
        (("openinference.instrumentation.bedrock", "0.1.30"), INSIDE, "complete"),
        ("pydantic-ai", INSIDE, "complete"),
        ("our.own.instrumentation", INSIDE, "ambiguous"),
        (None, INSIDE, "ambiguous"),
    ],
)
def test_the_scope_decides_whether_the_input_includes_the_cache(
    scope: Any, counts: tuple[int, int], state: str
) -> None:
    usage = from_otel(CACHED, scope=scope)
    assert ((usage.input_tokens, usage.cache_read_tokens), usage.state) == (counts, state)
    assert usage.as_fields().get("tags", {}) == ({} if state == "complete" else {"usage": state})


@pytest.mark.parametrize(
    "of",
    [
        lambda name, version: SimpleNamespace(
            attributes=CACHED, instrumentation_scope=SimpleNamespace(name=name, version=version)
        ),
        lambda name, version: {"attributes": CACHED, "scope": {"name": name, "version": version}},
        lambda name, version: CACHED | {"otel.scope.name": name, "otel.scope.version": version},
    ],
)
def test_a_span_that_names_its_scope_needs_no_argument(of: Any) -> None:
    assert from_otel(of(BEDROCK, "0.62.3")).state == "complete"
    assert from_otel(of(BEDROCK, "0.62.3")).input_tokens == 100


@pytest.mark.parametrize(
    ("attributes", "counts", "state"),
    [
        ({"gen_ai.usage.total_tokens": 170}, OUTSIDE, "complete"),
        ({"gen_ai.usage.total_tokens": 110}, INSIDE, "ambiguous"),
        ({"gen_ai.usage.input_tokens": 12}, (12, 60), "inconsistent"),
        ({"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5"}, INSIDE, "complete"),
        ({"gen_ai.provider.name": "vertex"}, INSIDE, "ambiguous"),
        ({"gen_ai.usage.cache_read.input_tokens": 0}, (100, 0), "complete"),
    ],
)
def test_without_a_scope_the_total_decides_or_the_doubt_is_marked(
    attributes: dict[str, Any], counts: tuple[int, int], state: str
) -> None:
    usage = from_otel(CACHED | attributes)
    assert ((usage.input_tokens, usage.cache_read_tokens), usage.state) == (counts, state)


def test_strict_raises_for_spans_too() -> None:
    assert from_otel(CACHED, strict=True).state == "ambiguous"
    with pytest.raises(InconsistentUsage, match=r"gen_ai\.usage\.fresh_tokens was not read"):
        from_otel(span(**{"gen_ai.usage.fresh_tokens": 4}), strict=True)
