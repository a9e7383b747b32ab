"""Each version of the Vercel AI SDK reports the same call alike, and payloads of providers are no results of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spendmeter_events import extract
from tests.support.ai_sdk import ai_sdk, v4, v5

TOKENS = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
counts = st.integers(0, 2**36)


@settings(max_examples=50)
@given(st.tuples(counts, counts, counts, counts), st.sampled_from(["v4", "v5", "v6", "v3"]))
def test_every_version_of_the_ai_sdk_gives_the_same_buckets(parts: tuple[int, int, int, int], version: str) -> None:
    uncached, cached, written, made = parts
    prompt = uncached + cached + written
    written_there = {"anthropic": {"cacheCreationInputTokens": written, "cacheReadInputTokens": cached}}
    raw = {"input_tokens": uncached, "cache_read_input_tokens": cached, "output_tokens": made}
    details = {"noCacheTokens": uncached, "cacheReadTokens": cached, "cacheWriteTokens": written}
    kinds = {"total": prompt, "noCache": uncached, "cacheRead": cached, "cacheWrite": written}
    sections: dict[str, dict[str, Any]] = {
        "v4": v4(uncached, made),
        "v5": v5(uncached, made, cached),
        "v6": {"inputTokens": prompt, "inputTokenDetails": details, "outputTokens": made, "raw": raw},
        "v3": {"inputTokens": kinds, "outputTokens": {"total": made, "text": made}, "raw": raw},
    }
    read = extract.from_anthropic(ai_sdk("m", sections[version], written_there))
    assert (read.input_tokens, read.cache_read_tokens) == (uncached, cached)
    assert (read.cache_write_5m_tokens, read.output_tokens) == (written, made)
    assert read.state == "complete"


@pytest.mark.parametrize(
    ("usage", "unread"),
    [
        ({**v5(10, 5, 0), "videoTokens": 7}, "videoTokens"),
        (
            {**v5(10, 5, 0), "raw": {"prompt_tokens_details": {"audio_tokens": 7}}},
            "raw.prompt_tokens_details.audio_tokens",
        ),
    ],
)
def test_a_count_that_the_sdk_does_not_normalise_is_named(usage: dict[str, Any], unread: str) -> None:
    read = extract.from_openai({**ai_sdk("gpt-5-nano", usage), "totalUsage": None})
    assert (read.input_tokens, read.output_tokens, read.unread) == (10, 5, (unread,))


def test_nan_is_not_reported() -> None:
    """AI SDK 4 reports NaN for counts that the provider did not send."""
    for extractor in (extract.from_openai, extract.from_anthropic):
        read = extractor({"usage": v4(math.nan, math.nan), "providerMetadata": {"openai": {}}})
        assert (read.state, read.unread) == ("missing", ())
    assert extract.from_mistral({"usage": {"prompt_tokens": 10, "completion_tokens": math.nan}}).state == "missing"


def test_a_stream_without_steps_has_the_usage_of_its_end() -> None:
    read = extract.from_openai([{"type": "finish", "usage": v4(10, 5)}], request={"model": "gpt-5-nano"})
    assert (read.input_tokens, read.output_tokens, read.state) == (10, 5, "complete")
    assert extract.from_openai([{"type": "finish"}]).state == "aborted"


@pytest.mark.parametrize(
    "payload",
    [
        {"generations": [{"text": "x"}], "meta": {"billed_units": {"input_tokens": 10, "output_tokens": 5}}},
        {"steps": [{}, {}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}},
        {"message": {"role": "assistant"}, "done": True, "prompt_eval_count": 10, "eval_count": 5},
        {"usage": TOKENS},
    ],
)
def test_payloads_of_providers_with_the_same_keys_are_read_as_before(payload: dict[str, Any]) -> None:
    read = extract.from_openai(payload)
    assert (read.input_tokens, read.output_tokens, read.state) == (10, 5, "complete")


def test_the_usage_of_several_models_is_missing() -> None:
    assert extract.from_openai({"gpt-4o": TOKENS, "gpt-5": TOKENS}).state == "missing"
    assert extract.from_openai({"gpt-4o": {"input_tokens": 1}}).state == "missing"


def test_calls_with_the_callers_own_key() -> None:
    attempts = [{"credentialType": "byok", "success": False}, {"credentialType": "byok", "success": True}]
    gateway = {"gateway": {"cost": "0.0001", "routing": {"attempts": attempts}}}
    read = extract.from_openai(ai_sdk("openai/gpt-5-nano", v5(10, 5, 0), gateway))
    assert (read.key_source, read.provider_cost_usd) == ("byok", None)
    attempts[1]["credentialType"] = "system"
    read = extract.from_openai(ai_sdk("openai/gpt-5-nano", v5(10, 5, 0), gateway))
    assert (read.key_source, read.provider_cost_usd) == ("", 0.0001)
    routed = {"openrouter": {"usage": {"cost": 0.001, "isByok": True, "costDetails": {"upstreamInferenceCost": 0.02}}}}
    read = extract.from_openrouter(ai_sdk("openai/gpt-5-nano", v5(10, 5, 0), routed))
    assert (read.key_source, read.provider_cost_usd) == ("byok", 0.021)
