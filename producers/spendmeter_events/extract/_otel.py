"""OpenTelemetry's GenAI attributes: current names, and older names that are still in use.

By these conventions, input includes cached tokens (read and written) and output includes reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from spendmeter_events.extract._payload import items, pick, text, tier
from spendmeter_events.extract._tally import NOT_THE_SUM, Tally
from spendmeter_events.extract.usage import State, Usage

_INPUT: Final = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
)
_OUTPUT: Final = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
)
_TOTAL: Final = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total")
_CACHE_READ: Final = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cached_input_tokens",
    "llm.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
)
_CACHE_WRITE: Final = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "llm.usage.cache_creation_input_tokens",
    "llm.token_count.prompt_details.cache_write",
)
_REASONING: Final = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "llm.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
)
_AUDIO_IN: Final = ("gen_ai.usage.input_audio_tokens", "llm.token_count.prompt_details.audio")
_AUDIO_OUT: Final = ("gen_ai.usage.output_audio_tokens", "llm.token_count.completion_details.audio")
_MODEL: Final = ("gen_ai.response.model", "gen_ai.request.model", "llm.response.model", "llm.model_name")
_PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
_TIER: Final = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")

_PROVIDERS: Final = {
    "aws.bedrock": "bedrock",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "gemini",
    "gcp.gen_ai": "gemini",
    "gcp.vertex_ai": "vertex",
    "google": "gemini",
    "vertex_ai": "vertex",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "x_ai": "xai",
}


def from_otel(span: object) -> Usage:
    """Return the usage of a GenAI span: attributes as a dict or OTLP key/value list, or an object with `attributes`.

    Raises `InconsistentUsage`, for instance if an instrumentation excludes cached tokens from the input.
    """
    attributes = _attributes(span)
    tally = Tally()
    name = text(pick(attributes, *_PROVIDER)).lower()
    provider = _PROVIDERS.get(name, name)
    fields: dict[str, Any] = {
        "model": text(pick(attributes, *_MODEL)),
        "request_id": text(pick(attributes, "gen_ai.response.id")),
        "service_tier": tier(pick(attributes, *_TIER)),
    }
    counts = _counts(tally, attributes)
    reported = {"input_tokens", "output_tokens"} <= counts.keys()
    # Only usage attributes: a span may carry prompts under other keys.
    section = {key: value for key, value in attributes.items() if "usage." in key or "token_count." in key}
    state: State = "complete" if reported else "missing"
    return tally.usage(section, provider=provider, state=state, **fields, **counts)


def _counts(tally: Tally, attributes: Mapping[str, object]) -> dict[str, int]:
    total = tally.count(attributes, *_TOTAL)
    given, made = tally.fill_from_total(tally.count(attributes, *_INPUT), tally.count(attributes, *_OUTPUT), total)
    if made is None and pick(attributes, "gen_ai.operation.name") == "embeddings":
        made = 0
    if total is not None and given is not None and made is not None and given + made != total:
        tally.faults.append(NOT_THE_SUM)
    counts: dict[str, int] = {}
    if given is not None:
        written = tally.writes(tally.count(attributes, *_CACHE_WRITE), None, None)
        counts |= tally.input_side(
            given,
            cached=tally.count(attributes, *_CACHE_READ),
            writes=written,
            audio=tally.count(attributes, *_AUDIO_IN),
        )
    if made is not None:
        counts |= tally.output_side(
            made,
            reasoning=tally.count(attributes, *_REASONING),
            audio=tally.count(attributes, *_AUDIO_OUT),
        )
    return counts


def _attributes(span: object) -> Mapping[str, Any]:
    """Return `{name: value}` from a mapping, a span, or OTLP's `[{"key": …, "value": {"intValue": "12"}}]`."""
    found = pick(span, "attributes")
    found = span if found is None else found
    if isinstance(found, Sequence):
        pairs = items({"all": found}, "all")
        return {text(pick(pair, "key")): _value(pick(pair, "value")) for pair in pairs}
    return found if isinstance(found, Mapping) else {}


def _value(typed: object) -> object:
    return pick(typed, "intValue", "int_value", "stringValue", "string_value", "doubleValue", "double_value")
