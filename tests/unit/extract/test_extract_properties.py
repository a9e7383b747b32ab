"""For any reported counts, the buckets are non-negative and disjoint, and sum to the provider's total."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spendmeter_events import extract
from spendmeter_events.extract import InconsistentUsage, Usage

counts = st.integers(0, 2**36)
Payload = tuple[Callable[..., Usage], dict[str, Any], int]


@st.composite
def split(draw: st.DrawFn, parts: int) -> list[int]:
    """Return the counts of disjoint parts."""
    return draw(st.lists(counts, min_size=parts, max_size=parts))


@st.composite
def openai_shape(draw: st.DrawFn) -> Payload:
    uncached, cached, short, long, audio_in = draw(split(5))
    text, reasoning, audio_out = draw(split(3))
    prompt, completion = uncached + cached + short + long + audio_in, text + reasoning + audio_out
    names = draw(st.sampled_from([("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")]))
    usage = {
        names[0]: prompt,
        names[1]: completion,
        "total_tokens": prompt + completion,
        f"{names[0]}_details": {
            "cached_tokens": cached,
            "cache_write_tokens": short + long,
            "cache_write_tokens_details": {"ttl_30m_tokens": short, "ttl_12h_tokens": long},
            "audio_tokens": audio_in,
        },
        f"{names[1]}_details": {"reasoning_tokens": reasoning, "audio_tokens": audio_out},
    }
    if draw(st.booleans()) and completion:
        # A service that excludes reasoning from the completion, as its total shows.
        usage[names[1]] = completion - reasoning
    reader = draw(
        st.sampled_from([extract.from_openai, extract.from_xai, extract.from_openrouter, extract.from_mistral])
    )
    return reader, {"usage": usage}, prompt + completion


@st.composite
def deepseek(draw: st.DrawFn) -> Payload:
    hit, miss, text, reasoning = draw(split(4))
    usage = {
        "prompt_tokens": hit + miss,
        "completion_tokens": text + reasoning,
        "total_tokens": hit + miss + text + reasoning,
        "prompt_cache_hit_tokens": hit,
        "prompt_cache_miss_tokens": miss,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    return extract.from_deepseek, {"usage": usage}, hit + miss + text + reasoning


@st.composite
def anthropic(draw: st.DrawFn) -> Payload:
    uncached, cached, short, long, rest, text, thinking = draw(split(7))
    usage = {
        "input_tokens": uncached,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": short + long + rest,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": text + thinking,
        "output_tokens_details": {"thinking_tokens": thinking},
    }
    reader = draw(st.sampled_from([extract.from_anthropic, extract.from_bedrock]))
    return reader, {"usage": usage}, uncached + cached + short + long + rest + text + thinking


@st.composite
def converse(draw: st.DrawFn) -> Payload:
    uncached, cached, short, long, output = draw(split(5))
    total = uncached + cached + short + long + output
    usage = {
        "inputTokens": uncached,
        "cacheReadInputTokens": cached,
        "cacheWriteInputTokens": short + long,
        "cacheDetails": [{"ttl": "1h", "inputTokens": long}, {"ttl": "5m", "inputTokens": short}],
        "outputTokens": output,
        "totalTokens": total,
    }
    return extract.from_bedrock, {"usage": usage}, total


@st.composite
def gemini(draw: st.DrawFn) -> Payload:
    text, audio_in, cached_text, cached_audio, tools, answer, audio_out, thoughts = draw(split(8))
    prompt = text + audio_in + cached_text + cached_audio
    total = prompt + tools + answer + audio_out + thoughts
    usage = {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": cached_text + cached_audio,
        "toolUsePromptTokenCount": tools,
        "candidatesTokenCount": answer + audio_out,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": total,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": audio_in + cached_audio}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": cached_audio}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": audio_out}],
    }
    return extract.from_gemini, {"usageMetadata": usage}, total


@st.composite
def otel(draw: st.DrawFn) -> Payload:
    uncached, cached, written, text, reasoning = draw(split(5))
    span = {
        "gen_ai.usage.input_tokens": uncached + cached + written,
        "gen_ai.usage.output_tokens": text + reasoning,
        "gen_ai.usage.cache_read.input_tokens": cached,
        "gen_ai.usage.cache_creation.input_tokens": written,
        "gen_ai.usage.reasoning.output_tokens": reasoning,
    }
    return extract.from_otel, span, uncached + cached + written + text + reasoning


PAYLOADS = st.one_of(openai_shape(), deepseek(), anthropic(), converse(), gemini(), otel())


@given(PAYLOADS)
def test_the_buckets_are_never_negative_and_sum_to_the_providers_own_total(payload: Payload) -> None:
    reader, response, total = payload
    usage = reader(response)
    buckets = [getattr(usage, name) for name in extract.TOKEN_BUCKETS]
    assert min(buckets) >= 0
    assert usage.total_tokens == total
    assert 0 <= usage.reasoning_tokens <= usage.output_tokens
    # Only cached audio has no bucket.
    assert usage.unread in ((), ("cacheTokensDetails.AUDIO",))
    assert usage.state == ("unread" if usage.unread else "complete")


_ANY = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 50), st.floats(), st.text(max_size=3), st.just([1]), st.just({})
)
_NAMES = [
    "prompt_tokens",
    "completion_tokens",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "prompt_cache_hit_tokens",
    "prompt_cache_miss_tokens",
    "cache_creation_input_tokens",
    "inputTokens",
    "outputTokens",
    "promptTokenCount",
    "candidatesTokenCount",
    "cachedContentTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
    "cost",
    "seconds",
    "prompt_audio_seconds",
]
_DETAILS = st.dictionaries(
    st.sampled_from(["cached_tokens", "cache_write_tokens", "audio_tokens", "reasoning_tokens"]), _ANY
)


@pytest.mark.parametrize("extractor", [name for name in extract.__all__ if name.startswith("from_")])
@given(usage=st.dictionaries(st.sampled_from(_NAMES), _ANY), spent=_DETAILS, made=_DETAILS)
def test_any_nonsense_is_read_or_kept_as_far_as_it_is_certain(
    extractor: str, usage: dict[str, Any], spent: dict[str, Any], made: dict[str, Any]
) -> None:
    """Given counts of any type and sign, then no bucket is negative, and `strict` raises with the same usage."""
    usage |= {"prompt_tokens_details": spent, "completion_tokens_details": made}
    payload = {"usage": usage, "usageMetadata": usage}
    payload |= {f"gen_ai.usage.{name}": value for name, value in usage.items()}
    result: Usage = getattr(extract, extractor)(payload)
    with suppress(InconsistentUsage):
        assert getattr(extract, extractor)(payload, strict=True) == result
    assert all(getattr(result, name) >= 0 for name in extract.TOKEN_BUCKETS)
    assert result.reasoning_tokens <= result.output_tokens
    assert result.audio_seconds >= 0
