"""Facts of a span other than counts: whether it is a model call, its instrumentation, and its cache convention."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from spendmeter_events.extract._sections.payload import pick, text
from spendmeter_events.extract._spans.attributes import usage_attributes

_OPERATIONS: Final = frozenset((
    "chat", "text_completion", "generate_content", "embeddings",
    # Other spellings, of instrumentations that do not follow the conventions.
    "completion", "completions", "embedding", "embed", "response", "responses", "message", "messages", "generate",
    "image_generation", "generate_image", "generate_images", "speech", "text_to_speech", "transcription",
    "speech_to_text", "rerank",
))  # fmt: skip
"""Operations that call a model. All others (`invoke_agent`, `execute_tool`, …) repeat the usage of such calls."""
_MODEL_CALLS: Final[Mapping[str, frozenset[str]]] = {
    "openinference.span.kind": frozenset(("llm", "embedding")),
    "traceloop.span.kind": frozenset(("unknown",)),
    "langfuse.observation.type": frozenset(("generation", "embedding")),
    "langsmith.span.kind": frozenset(("llm", "embedding")),
    "mlflow.spantype": frozenset(("llm", "chat_model", "embedding")),
}
"""Attribute → its values on spans of model calls."""
_AI_SDK_CALLS: Final = (".doGenerate", ".doStream", ".doEmbed", ".doRerank")
"""Endings of the AI SDK's model calls; the outer spans (`ai.generateText`) sum them."""

_AGENT_RUNS: Final = ("pydantic_ai.all_messages", "all_messages_events", "final_result")
"""Attributes of Pydantic AI's agent runs: older versions set no operation name."""

_EVIDENCE: Final = (
    "ai.operationId",
    "vercel.ai.operationId",
    "gen_ai.operation.name",
    "llm.request.type",
    *(name for name in _MODEL_CALLS if not name.startswith("traceloop.")),
    "mlflow.spanType",
)
"""Attributes that only spans of model calls have, once `is_inference` has excluded the others."""

_SCOPES: Final = (
    ("opentelemetry.instrumentation.bedrock", True),
    ("opentelemetry.instrumentation.botocore", True),
    ("@opentelemetry/instrumentation-aws-sdk", True),
    ("strands", True),
    ("opentelemetry.instrumentation.anthropic", False),
    ("opentelemetry.instrumentation.langchain", False),
    ("openinference.instrumentation", False),
    ("@arizeai/openinference", False),
    ("pydantic-ai", False),
    ("logfire", False),
    ("litellm", False),
)
"""Prefix of the scope, and whether its input excludes cached tokens if the provider's API excludes them."""
_CHANGES: Final = {"opentelemetry.instrumentation.bedrock": (0, 62, 3)}
"""Last version with a known convention; traceloop/openllmetry issue 4449 proposes to change it."""
_CACHE_EXCLUDED: Final = frozenset(("anthropic", "bedrock"))
"""Providers whose APIs exclude cached tokens from the input. So does Claude's at other providers."""


def is_inference(attributes: Mapping[str, Any]) -> bool:
    """Return whether the span is a model call. Spans of agents, tools and chains repeat the usage of their calls."""
    if name := text(pick(attributes, "ai.operationId", "vercel.ai.operationId")):
        return name.endswith(_AI_SDK_CALLS)
    if operation := text(pick(attributes, "gen_ai.operation.name")).lower():
        return operation in _OPERATIONS
    if pick(attributes, *_AGENT_RUNS) is not None:
        return False
    kinds = {key: text(pick(attributes, key, key.replace("spantype", "spanType"))).strip('"') for key in _MODEL_CALLS}
    return all(kinds[key].lower() in names for key, names in _MODEL_CALLS.items() if kinds[key])


def shows_model_call(attributes: Mapping[str, Any]) -> bool:
    """Return whether a span of any kind, such as one of a web server, is a model call."""
    return is_inference(attributes) and (pick(attributes, *_EVIDENCE) is not None or bool(usage_attributes(attributes)))


def scope_of(span: object, attributes: Mapping[str, Any], scope: object) -> tuple[str, str]:
    """Return name and version of the instrumentation, from `scope`, the span or its attributes."""
    found = scope or pick(span, "instrumentation_scope", "instrumentationScope", "scope", "instrumentation_info")
    if isinstance(found, str):
        return found, ""
    if isinstance(found, (tuple, list)):
        name, version = (*found, "", "")[:2]
        return text(name), text(version)
    return (
        text(pick(found, "name")) or text(pick(attributes, "otel.scope.name", "otel.library.name")),
        text(pick(found, "version")) or text(pick(attributes, "otel.scope.version", "otel.library.version")),
    )


def cache_outside(scope: tuple[str, str], provider: str, model: str, section: Mapping[str, Any]) -> bool | None:
    """Return whether the input excludes cached tokens; None if the span does not show it."""
    if provider not in _CACHE_EXCLUDED and "claude" not in model.lower():
        return False
    if any("inputTokenDetails" in name for name in section):  # AI SDK 6 normalises all providers
        return False
    if any(name.startswith("ai.usage.") for name in section):  # AI SDK 4 and 5 report the provider's count
        return True
    name, version = scope
    known = next(((prefix, outside) for prefix, outside in _SCOPES if name.lower().startswith(prefix)), None)
    if known is None or _numbers(version) > _CHANGES.get(known[0], (1 << 30,)):
        return None
    return known[1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
