"""Impossible counts: a typed error with the payload's shape, never its content, and the certain counts."""

from __future__ import annotations

from typing import Any

import pytest

from spendmeter_events import extract
from spendmeter_events.extract import InconsistentUsage

SUM = "the total is not the sum of its parts"
PARTS = "cached, written, audio and image tokens exceed the input they are part of"
MADE = "reasoning, audio and image tokens exceed the output they are part of"


def openai(**usage: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m", "usage": usage}


def gemini(**usage: Any) -> dict[str, Any]:
    return {"responseId": "c1", "modelVersion": "m", "usageMetadata": usage}


def audio(count: int) -> list[dict[str, Any]]:
    return [{"modality": "AUDIO", "tokenCount": count}]


CASES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    (
        "from_openai",
        openai(prompt_tokens=-1, completion_tokens=5),
        "prompt_tokens is negative or impossibly large",
        {"output_tokens": 5},
    ),
    (
        "from_openai",
        openai(prompt_tokens=10, completion_tokens=2**41),
        "completion_tokens is negative or impossibly large",
        {"input_tokens": 10},
    ),
    (
        "from_openai",
        openai(prompt_tokens=10, completion_tokens=10**400),
        "completion_tokens is negative or impossibly large",
        {"input_tokens": 10},
    ),
    (
        "from_openai",
        openai(prompt_tokens=10, completion_tokens=float("inf")),
        "completion_tokens is negative or impossibly large",
        {"input_tokens": 10},
    ),
    (
        "from_openai",
        openai(prompt_tokens=10, completion_tokens=2.5),
        "completion_tokens is not a whole count",
        {"input_tokens": 10},
    ),
    (
        "from_openai",
        openai(prompt_tokens=10, completion_tokens="many"),
        "completion_tokens is not a number",
        {"input_tokens": 10},
    ),
    (
        "from_openai",
        openai(prompt_tokens=True, completion_tokens=5),
        "prompt_tokens is not a number",
        {"output_tokens": 5},
    ),
    (
        "from_openai",
        openai(prompt_tokens=10, completion_tokens=[5]),
        "completion_tokens is not a number",
        {"input_tokens": 10},
    ),
    (
        "from_openai",
        openai(prompt_tokens=10, completion_tokens=5, prompt_tokens_details={"cached_tokens": 11}),
        PARTS,
        {"input_tokens": 10, "cache_read_tokens": 11, "output_tokens": 5},
    ),
    (
        "from_openai",
        openai(
            prompt_tokens=10,
            completion_tokens=5,
            prompt_tokens_details={"cached_tokens": 6, "cache_write_tokens": 5},
        ),
        PARTS,
        {"input_tokens": 10, "cache_read_tokens": 6, "cache_write_5m_tokens": 5, "output_tokens": 5},
    ),
    (
        "from_openai",
        openai(
            input_tokens=10,
            output_tokens=5,
            input_tokens_details={
                "cache_write_tokens": 3,
                "cache_write_tokens_details": {"ttl_30m_tokens": 3, "ttl_12h_tokens": 1},
            },
        ),
        "cache writes by lifetime exceed their total",
        {"input_tokens": 7, "cache_write_5m_tokens": 3, "output_tokens": 5},
    ),
    (
        "from_openai",
        openai(
            input_tokens=10,
            output_tokens=5,
            input_token_details={"audio_tokens": 2, "cached_tokens_details": {"audio_tokens": 3}},
        ),
        "cached audio and image tokens exceed audio and image tokens",
        {"input_tokens": 10, "output_tokens": 5},
    ),
    (
        "from_openai",
        openai(prompt_tokens=10, completion_tokens=5, completion_tokens_details={"reasoning_tokens": 6}),
        MADE,
        {"input_tokens": 10, "output_tokens": 5},
    ),
    (
        "from_openai",
        openai(prompt_tokens=10, completion_tokens=5, completion_tokens_details={"audio_tokens": 6}),
        MADE,
        {"input_tokens": 10, "output_tokens": 5},
    ),
    (
        "from_openai",
        openai(prompt_tokens=10, completion_tokens=5, total_tokens=16),
        SUM,
        {"input_tokens": 10, "output_tokens": 5},
    ),
    ("from_openai", openai(prompt_tokens=10, total_tokens=9), SUM, {"input_tokens": 10}),
    (
        "from_openai",
        {"id": "c1", "model": "m", "usage": {"type": "duration", "seconds": -1}},
        "seconds is negative or impossibly large",
        {},
    ),
    (
        "from_anthropic",
        openai(input_tokens=-3, output_tokens=5, cache_read_input_tokens=7),
        "input_tokens is negative or impossibly large",
        {"output_tokens": 5},
    ),
    (
        "from_anthropic",
        openai(
            input_tokens=3,
            output_tokens=5,
            cache_creation_input_tokens=1,
            cache_creation={"ephemeral_5m_input_tokens": 2},
        ),
        "cache writes by lifetime exceed their total",
        {"input_tokens": 3, "cache_write_5m_tokens": 1, "output_tokens": 5},
    ),
    (
        "from_anthropic",
        openai(input_tokens=3, output_tokens=5, output_tokens_details={"thinking_tokens": 6}),
        MADE,
        {"input_tokens": 3, "output_tokens": 5},
    ),
    (
        "from_bedrock",
        {"id": "c1", "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 8}},
        SUM,
        {"input_tokens": 3, "output_tokens": 4},
    ),
    (
        "from_bedrock",
        {"id": "c1", "usage": {"inputTokens": -3, "outputTokens": 4}},
        "inputTokens is negative or impossibly large",
        {"output_tokens": 4},
    ),
    (
        "from_gemini",
        gemini(promptTokenCount=10, candidatesTokenCount=5, totalTokenCount=99),
        SUM,
        {"input_tokens": 10, "output_tokens": 5},
    ),
    (
        "from_gemini",
        gemini(promptTokenCount=10, candidatesTokenCount=5, cachedContentTokenCount=11),
        PARTS,
        {"input_tokens": 10, "cache_read_tokens": 11, "output_tokens": 5},
    ),
    (
        "from_gemini",
        gemini(
            promptTokenCount=10,
            candidatesTokenCount=5,
            promptTokensDetails=audio(2),
            cacheTokensDetails=audio(3),
        ),
        "cached audio and image tokens exceed audio and image tokens",
        {"input_tokens": 10, "output_tokens": 5},
    ),
    (
        "from_gemini",
        gemini(promptTokenCount=10, candidatesTokenCount=5, candidatesTokensDetails=audio(6)),
        MADE,
        {"input_tokens": 10, "output_tokens": 5},
    ),
    (
        "from_xai",
        openai(prompt_tokens=10, completion_tokens=5, total_tokens=15, cost_in_usd_ticks=-1),
        "cost_in_usd_ticks is negative or impossibly large",
        {"input_tokens": 10, "output_tokens": 5},
    ),
    (
        "from_openrouter",
        openai(prompt_tokens=10, completion_tokens=5, total_tokens=15, cost="free"),
        "cost is not a number",
        {"input_tokens": 10, "output_tokens": 5},
    ),
    (
        "from_mistral",
        openai(prompt_tokens=10, completion_tokens=5, prompt_audio_seconds="long"),
        "prompt_audio_seconds is not a number",
        {"input_tokens": 10, "output_tokens": 5},
    ),
    (
        "from_deepseek",
        openai(
            prompt_tokens=10,
            completion_tokens=5,
            total_tokens=15,
            prompt_cache_hit_tokens=4,
            prompt_cache_miss_tokens=5,
        ),
        "cache hits and misses do not add up to prompt_tokens",
        {"input_tokens": 6, "cache_read_tokens": 4, "output_tokens": 5},
    ),
    (
        "from_otel",
        {
            "gen_ai.provider.name": "anthropic",
            "gen_ai.response.model": "m",
            "gen_ai.response.id": "c1",
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.cache_read.input_tokens": 100,
        },
        PARTS,
        {"input_tokens": 10, "cache_read_tokens": 100, "output_tokens": 5},
    ),
    (
        "from_otel",
        {
            "gen_ai.response.id": "c1",
            "llm.token_count.prompt": 1,
            "llm.token_count.completion": 2,
            "llm.token_count.total": 4,
        },
        SUM,
        {"input_tokens": 1, "output_tokens": 2},
    ),
]


@pytest.mark.parametrize(
    ("extractor", "payload", "fault", "known"), CASES, ids=[f"{c[0][5:]}-{c[2][:30]}" for c in CASES]
)
def test_impossible_counts_raise_and_keep_the_consistent_part(
    extractor: str, payload: dict[str, Any], fault: str, known: dict[str, Any]
) -> None:
    with pytest.raises(InconsistentUsage) as caught:
        getattr(extract, extractor)(payload, strict=True)
    error = caught.value
    assert fault in error.faults
    assert error.known.state == "inconsistent"
    assert error.known.request_id == "c1"
    counts = {name: getattr(error.known, name) for name in extract.TOKEN_BUCKETS}
    assert {name: count for name, count in counts.items() if count} == known
    assert error.known.as_fields()["tags"]["usage"] == "inconsistent"
