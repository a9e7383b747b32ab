"""Names of usage attributes in spans: OpenTelemetry of all versions, OpenLLMetry, OpenInference, AI SDK, Sentry.

The dialects build their names from the same words: `gen_ai.usage.cache_read.input_tokens`,
`gen_ai.usage.input_tokens.cached`, `llm.token_count.prompt_details.cache_read`,
`ai.usage.inputTokenDetails.cacheReadTokens`. A name is reduced to these words, then looked up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spendmeter_events.extract._sections import ai_sdk
from spendmeter_events.extract._sections.payload import fields_of

_USAGE: Final = re.compile(
    r"^(?:(?:gen_ai|llm|ai|vercel\.ai|langsmith|langfuse\.observation|mlflow\.chat)"
    r"\.(?:usage_metadata|usage_details|usage|token_usage|token_count|tokenUsage)\.)"
)
_SECTIONS: Final = re.compile(r"\.(?:usage_metadata|usage_details|usage|token_usage|token_count|tokenUsage)$")
_DETAILS: Final = re.compile(r"^(?:(input|prompt|completion|output)_)?(?:tokens?_)?details_")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_METADATA: Final = "ai.response.providerMetadata"
_IN_METADATA: Final = {
    "ai.usage.cachedInputTokens": "cached",
    "ai.usage.cacheWriteInputTokens": "written",
    "ai.usage.ephemeral_1h_input_tokens": "long",
    "ai.usage.reasoningTokens": "reasoning",
}

NAMES: Final[Mapping[str, frozenset[str]]] = {
    "input": frozenset(("input_tokens", "prompt_tokens", "prompt", "input", "tokens", "input_tokens_total")),
    "output": frozenset(("output_tokens", "completion_tokens", "completion", "output", "output_tokens_total")),
    "total": frozenset(("total_tokens", "total")),
    "cached": frozenset((
        "cache_read_input_tokens", "cached_input_tokens", "cached_tokens", "cache_read_tokens", "cache_read", "cached",
        "input_tokens_cached", "input_tokens_cache_read", "input_cached_tokens", "prompt_tokens_cached", "cache_input",
        "cached_prompt_tokens", "prompt_cache_hit_tokens", "cache_read_prompt_tokens", "input_cache_read_tokens",
        "num_cached_tokens", "input_cached",
    )),
    "written": frozenset((
        "cache_creation_input_tokens", "cache_write_input_tokens", "cache_creation_tokens", "cache_write_tokens",
        "cache_write", "cache_creation", "input_tokens_cache_write", "input_tokens_cache_creation",
        "input_cache_write_tokens", "input_cache_creation_tokens", "input_cache_creation",
    )),
    "short": frozenset(("ephemeral_5m_input_tokens", "cache_creation_ephemeral_5m_input_tokens")),
    "long": frozenset(("ephemeral_1h_input_tokens", "cache_creation_ephemeral_1h_input_tokens")),
    "reasoning": frozenset((
        "reasoning_output_tokens", "reasoning_tokens", "reasoning", "output_tokens_reasoning", "thinking_tokens",
        "output_reasoning_tokens", "completion_reasoning_tokens", "output_reasoning", "thoughts_tokens",
    )),
    "audio_in": frozenset((
        "input_audio_tokens", "audio_input_tokens", "prompt_audio_tokens", "audio_prompt_tokens", "input:audio",
        "input:audio_tokens",
    )),
    "image_in": frozenset((
        "input_image_tokens", "image_input_tokens", "prompt_image_tokens", "image_prompt_tokens", "input:image",
        "input:image_tokens",
    )),
    "cached_audio": frozenset((
        "cache_audio_read_tokens", "cached_audio_tokens", "cache_read_audio_tokens", "audio_cache_tokens",
    )),
    "cached_image": frozenset((
        "cache_image_read_tokens", "cached_image_tokens", "cache_read_image_tokens", "image_cache_tokens",
    )),
    "audio_out": frozenset((
        "output_audio_tokens", "audio_output_tokens", "completion_audio_tokens", "audio_candidates_tokens",
        "output:audio", "output:audio_tokens",
    )),
    "image_out": frozenset((
        "output_image_tokens", "image_output_tokens", "completion_image_tokens", "image_candidates_tokens",
        "output:image", "output:image_tokens",
    )),
    "repeated": frozenset((
        "text_input_tokens", "text_output_tokens", "text_prompt_tokens", "text_candidates_tokens", "text_cache_tokens",
        "no_cache_tokens", "text_tokens", "text",
        "accepted_prediction_tokens", "rejected_prediction_tokens", "prompt_cache_miss_tokens",
    )),
}  # fmt: skip
"""Kind of count → reduced names. `repeated`: parts of other counts."""

_KINDS: Final = {name: kind for kind, names in NAMES.items() for name in names}


def usage_attributes(attributes: Mapping[str, object]) -> dict[str, Any]:
    """Return only the usage attributes, flattened, since others may contain prompts. JSON text is decoded."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(name, str) and (_USAGE.match(name) or (_SECTIONS.search(name) and _USAGE.match(name + "."))):
            found |= dict(_flat(name, value))
    return found | _of_metadata(attributes.get(_METADATA), found)


def _of_metadata(value: object, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts that AI SDK 4 and 5 report in the provider's metadata only. It may contain prompts."""
    metadata = _decoded(value) if isinstance(value, str) else value
    if not isinstance(metadata, Mapping):
        return {}
    counts = ai_sdk.metadata_counts(metadata)
    named = {name: counts.get(kind) for name, kind in _IN_METADATA.items()}
    named |= {f"ai.usage.{name}": value for name, value in fields_of(counts.get("tools")).items()}
    return {name: value for name, value in named.items() if value is not None and name not in found}


def names_by_kind(section: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the names of each kind of count in this section, those of the current conventions first."""
    kinds: dict[str, tuple[str, ...]] = dict.fromkeys(NAMES, ())
    for name in sorted(section, key=lambda name: not name.startswith("gen_ai.")):
        if (kind := kind_of(name)) is not None:
            kinds[kind] = (*kinds[kind], name)
    return kinds


def kind_of(name: str) -> str | None:
    """Return the kind of count that an attribute of this name is; None if unknown."""
    words = _HUMP.sub("_", _USAGE.sub("", name)).lower().replace(".", "_")
    details = _DETAILS.match(words)
    if details is None:
        return _KINDS.get(words)
    rest = words[details.end() :]
    side = {"prompt": "input", "completion": "output"}.get(details[1], details[1])
    # Within details, `input_tokens` is not the input of the call.
    kind = _KINDS.get(f"{side}:{rest}") or _KINDS.get(rest)
    return None if kind in ("input", "output", "total") else kind


def _flat(name: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _decoded(value)
    if isinstance(value, Mapping):
        for inner in value:
            yield from _flat(f"{name}.{inner}", value[inner])
    else:
        yield name, value


def _decoded(value: str) -> object:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
