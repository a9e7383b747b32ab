"""Token counts in OpenAI's layout, in the spellings of the providers, gateways and SDKs that adopted it.

They are OpenAI, LiteLLM, OpenRouter, LangChain's `usage_metadata`, the Vercel AI SDK, DeepSeek, xAI, and servers that
are compatible with OpenAI. Names are in snake case; `Tally` reads camel case too.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from spendmeter_events.extract._sections.payload import pick
from spendmeter_events.extract._sections.tally import NOT_THE_SUM, Kinds, Tally, part, spellings

PROMPT: Final = ("prompt_tokens", "input_tokens")
COMPLETION: Final = ("completion_tokens", "output_tokens")
TOTAL: Final = ("total_tokens",)
INPUT_DETAILS: Final = (
    "prompt_tokens_details",
    "input_tokens_details",
    "input_token_details",
    "prompt_token_details",
)
OUTPUT_DETAILS: Final = (
    "completion_tokens_details",
    "output_tokens_details",
    "output_token_details",
    "completion_token_details",
)
CACHED: Final = (
    "cached_tokens",
    "cache_read_tokens",
    "cache_read_input_tokens",
    "cached_input_tokens",
    "cached_prompt_tokens",
    "cached_prompt_text_tokens",
    "num_cached_tokens",
    "cache_hit_tokens",
    "prompt_cache_hit_tokens",
)
"""In the details, or in the usage section itself."""
_CACHED_DETAILS: Final = (*CACHED, "cache_read", "flex_cache_read", "priority_cache_read")
WRITTEN: Final = (
    "cache_write_tokens",
    "cache_creation_tokens",
    "cache_creation_input_tokens",
    "cache_write_input_tokens",
)
_WRITTEN_DETAILS: Final = (
    *WRITTEN,
    "cache_creation",
    "cache_write",
    "flex_cache_creation",
    "priority_cache_creation",
)
_LIFETIMES: Final = (
    "cache_write_tokens_details",
    "cache_creation_token_details",
    "cache_creation_tokens_details",
    "cache_creation",
)
SHORT: Final = (
    "ephemeral_5m_input_tokens",
    "ephemeral5mInputTokens",
    "ttl_30m_tokens",
    "claude_cache_creation_5_m_tokens",
)
LONG: Final = (
    "ephemeral_1h_input_tokens",
    "ephemeral1hInputTokens",
    "ttl_12h_tokens",
    "claude_cache_creation_1_h_tokens",
)
REASONING: Final = ("reasoning_tokens", "reasoning_output_tokens", "thinking_tokens")
_REASONING_DETAILS: Final = (*REASONING, "reasoning", "flex_reasoning", "priority_reasoning")
_REMAINDERS: Final = ("text_tokens", "text", "no_cache_tokens", "flex", "priority")
"""The rest of a count, without its other parts, at the rate of text."""
_PREDICTED: Final = ("accepted_prediction_tokens", "rejected_prediction_tokens")
"""Parts of the output at its ordinary rate."""


_KindNames: TypeAlias = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
_AUDIO: Final = ("audio_tokens", "audio")
_IMAGE: Final = ("image_tokens", "image")
_INPUT_KINDS: Final[_KindNames] = (
    (_AUDIO, ("input_audio_tokens", "prompt_audio_tokens", "audio_input_tokens")),
    (_IMAGE, ("input_image_tokens", "prompt_image_tokens", "image_input_tokens")),
)
_CACHED_KINDS: Final[_KindNames] = (
    (_AUDIO, ("cached_audio_tokens", "cache_read_audio_tokens")),
    (_IMAGE, ("cached_image_tokens", "cache_read_image_tokens")),
)
_OUTPUT_KINDS: Final[_KindNames] = (
    (_AUDIO, ("output_audio_tokens", "completion_audio_tokens", "audio_output_tokens")),
    (_IMAGE, ("output_image_tokens", "completion_image_tokens", "image_output_tokens")),
)
"""Audio, then image: names in the details, and names beside them."""


def tokens(
    tally: Tally,
    usage: object,
    *,
    reasoning_outside: bool = False,
    cache_outside: bool = False,
    ignore_total: bool = False,
) -> dict[str, int]:
    """Return the token buckets; a side that is not reported is absent.

    A reported total decides whether input and output include cached and reasoning tokens. `reasoning_outside` and
    `cache_outside` are the provider's documented conventions, for payloads without a total.
    """
    total = tally.count(usage, *TOTAL)
    total = None if ignore_total else total
    hit, miss = tally.count(usage, "prompt_cache_hit_tokens"), tally.count(usage, "prompt_cache_miss_tokens")
    prompt = tally.count(usage, *PROMPT)
    if prompt is None and hit is not None and miss is not None:
        prompt = hit + miss
    prompt, completion = tally.fill_from_total(prompt, tally.count(usage, *COMPLETION), total)
    details = part(usage, *OUTPUT_DETAILS)
    reasoning = tally.first((details, _REASONING_DETAILS), (usage, REASONING)) or 0
    buckets: dict[str, int] = {}
    input_total = prompt
    if prompt is not None:
        parts = _input_parts(tally, usage)
        input_total = _input_with_cache(parts, prompt, (completion, reasoning, total), cache_outside)
        buckets |= tally.input_side(input_total, **parts)
        if miss and miss != buckets["input_tokens"]:
            tally.faults.append("cache hits and misses do not add up to prompt_tokens")
    if completion is not None:
        output = _with_reasoning(tally, (prompt, input_total), completion, reasoning, total, reasoning_outside)
        tally.skip(details, *_REMAINDERS, *_PREDICTED)
        buckets |= tally.output_side(output, reasoning=reasoning, kinds=_kinds(tally, details, usage, _OUTPUT_KINDS))
    return buckets


def usage_of(body: object) -> Any:
    """Return the usage section: the provider's, LangChain's, or the body itself if it is one."""
    metadata = pick(body, "response_metadata", "llm_output", "llmOutput")
    found = pick(body, "usage_metadata", "usageMetadata", "usage", "token_usage") or pick(
        metadata, "token_usage", "tokenUsage", "usage"
    )
    if found is None and any(pick(body, spelling) is not None for name in PROMPT for spelling in spellings(name)):
        return body
    return found


def has_anthropic_layout(usage: object) -> bool:
    """Return whether the section has Anthropic's layout, whose input excludes cached tokens."""
    names = ("cache_read_input_tokens", "cache_creation_input_tokens")
    return pick(usage, "input_tokens") is not None and pick(usage, *names) is not None and not has_openai_layout(usage)


def has_openai_layout(usage: object) -> bool:
    """Return whether the section has OpenAI's layout, whose input includes cached tokens."""
    prompt = pick(usage, *spellings("prompt_tokens"))
    return prompt is not None or part(usage, *INPUT_DETAILS) is not None


def _input_parts(tally: Tally, usage: object) -> dict[str, Any]:
    details = part(usage, *INPUT_DETAILS)
    lifetimes = part(details, *_LIFETIMES) or part(usage, *_LIFETIMES)
    written = tally.writes(
        tally.first((details, _WRITTEN_DETAILS), (usage, WRITTEN)),
        tally.first((lifetimes, SHORT), (details, SHORT), (usage, SHORT)),
        tally.first((lifetimes, LONG), (details, LONG), (usage, LONG)),
    )
    cached_details = part(details, "cached_tokens_details")
    tally.skip(cached_details, "text_tokens")
    tally.skip(details, *_REMAINDERS)
    return {
        "cached": tally.first((details, _CACHED_DETAILS), (usage, CACHED)),
        "writes": written,
        "kinds": _kinds(tally, details, usage, _INPUT_KINDS),
        "cached_kinds": _kinds(tally, cached_details, details, _CACHED_KINDS),
    }


def _kinds(tally: Tally, details: object, usage: object, names: _KindNames) -> Kinds:
    """Return audio and image tokens from the details, or from fields with longer names beside them."""
    return Kinds(*(tally.first((details, inner), (usage, outer)) or 0 for inner, outer in names))


def _input_with_cache(
    parts: dict[str, Any], prompt: int, others: tuple[int | None, int, int | None], outside: bool
) -> int:
    """Return the input including cached tokens, whether `prompt` includes them or not."""
    completion, reasoning, total = others
    cache: int = (parts["cached"] or 0) + sum(parts["writes"])
    if total is None:
        return prompt + cache if outside else prompt
    rest = total - (completion or 0)
    return prompt + cache if prompt + cache in (rest, rest - reasoning) else prompt


def _with_reasoning(
    tally: Tally,
    inputs: tuple[int | None, int | None],
    completion: int,
    reasoning: int,
    total: int | None,
    outside: bool,
) -> int:
    if total is None or inputs[0] is None:
        return completion + reasoning if outside else completion
    if total - completion in inputs:
        return completion
    if total - completion - reasoning in inputs:
        return completion + reasoning
    tally.faults.append(NOT_THE_SUM)
    return completion
