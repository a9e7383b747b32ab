"""Usage from public reports, through extractor and price engine, has the cost that the provider bills."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from spendmeter_events import extract
from spendmeter_events.extract import Usage
from tests.support.pricing import cost_of_usage

SONNET, OPUS = "claude-sonnet-4-5", "claude-opus-4-5"
LANGCHAIN = {
    "input_tokens": 25169,
    "output_tokens": 95,
    "total_tokens": 25264,
    "input_token_details": {"cache_read": 25162},
}
LITELLM = {
    "prompt_tokens": 98805,
    "completion_tokens": 5120,
    "total_tokens": 103925,
    "prompt_tokens_details": {"cached_tokens": 66360, "cache_creation_tokens": 32435},
    "cache_creation_input_tokens": 32435,
    "cache_read_input_tokens": 66360,
}
HOUR = {
    "prompt_tokens": 9000,
    "completion_tokens": 0,
    "total_tokens": 9000,
    "prompt_tokens_details": {
        "cache_creation_tokens": 8989,
        "cache_creation_token_details": {"ephemeral_1h_input_tokens": 8989},
    },
}
DEEPSEEK = {
    "prompt_tokens": 1100,
    "completion_tokens": 40,
    "total_tokens": 1140,
    "prompt_cache_hit_tokens": 1000,
    "prompt_cache_miss_tokens": 100,
}
BEDROCK_SCOPE = {"name": "opentelemetry.instrumentation.bedrock", "version": "0.62.3"}


def grounded(model: str, *chunks: str, queries: int = 1) -> Usage:
    grounding = {"groundingChunks": [{kind: {"uri": "u"}} for kind in chunks], "webSearchQueries": [*"abc"[:queries]]}
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
    return extract.from_gemini(
        {"modelVersion": model, "candidates": [{"groundingMetadata": grounding}], "usageMetadata": usage}
    )


def searched(model: str) -> Usage:
    message = {"annotations": [{"type": "url_citation"}]}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    return extract.from_openai({"model": model, "choices": [{"message": message}], "usage": usage})


def span(system: str, model: str, tokens_in: int, tokens_out: int, **more: Any) -> dict[str, Any]:
    return {
        "gen_ai.system": system,
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": tokens_in,
        "gen_ai.usage.output_tokens": tokens_out,
        **more,
    }


CASES: list[tuple[str, Callable[[], Usage], str, str]] = [
    (
        "litellm_11364",
        lambda: extract.from_openai(
            {"model": "eu.anthropic.claude-opus-4-5-20251101-v1:0", "usage": LITELLM}, provider="bedrock"
        ),
        "0.400343625",
        "priced",
    ),
    (
        "litellm_one_hour_writes",
        lambda: extract.from_openai({"model": OPUS, "usage": HOUR}, provider="anthropic"),
        "0.089945",
        "priced",
    ),
    (
        "hermes_agent_61871",
        lambda: extract.from_openai({"model": "deepseek-chat", "usage": DEEPSEEK}, provider="deepseek"),
        "",
        "priced",
    ),
    (
        "vercel_ai_8794",
        lambda: extract.from_otel(span("openai", "gpt-5-nano", 2224, 1469, **{"ai.usage.cachedInputTokens": 2048})),
        "0.00060664",
        "priced",
    ),
    (
        "langchain_from_anthropic",
        lambda: extract.from_anthropic({"model": SONNET, "usage": LANGCHAIN}),
        "0.0089946",
        "priced",
    ),
    (
        "langchain_from_openai",
        lambda: extract.from_openai({"model": SONNET, "usage": LANGCHAIN}, provider="anthropic"),
        "0.0089946",
        "priced",
    ),
    (
        "langchain_message",
        lambda: extract.from_anthropic({"response_metadata": {"model_name": SONNET}, "usage_metadata": LANGCHAIN}),
        "0.0089946",
        "priced",
    ),
    (
        "openllmetry_4449_by_its_scope",
        lambda: extract.from_otel(
            span(
                "aws.bedrock",
                "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
                12000,
                10,
                **{"gen_ai.usage.cache_read.input_tokens": 9000, "gen_ai.usage.total_tokens": 12010},
            ),
            scope=BEDROCK_SCOPE,
        ),
        "0.042735",
        "priced",
    ),
    (
        "openllmetry_4449_without_scope_is_a_lower_bound",
        lambda: extract.from_otel(
            span(
                "aws.bedrock",
                "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
                12000,
                10,
                **{"gen_ai.usage.cache_read.input_tokens": 9000},
            )
        ),
        "0.013035",
        "partial",
    ),
    (
        "a_cache_larger_than_the_input_is_beside_it",
        lambda: extract.from_otel(span("anthropic", SONNET, 12, 10, **{"gen_ai.usage.cache_read.input_tokens": 9000})),
        "0.002886",
        "partial",
    ),
    ("maps", lambda: grounded("gemini-2.5-flash", "maps", "maps"), "0.02555", "priced"),
    ("maps_by_query", lambda: grounded("gemini-3.6-flash", "maps", queries=2), "0.029125", "priced"),
    ("maps_and_web_have_no_common_rate", lambda: grounded("gemini-2.5-flash", "maps", "web"), "0.00055", "partial"),
    ("search_of_gpt_4o", lambda: searched("gpt-4o-search-preview"), "0.0285", "priced"),
    ("search_of_gpt_4o_mini", lambda: searched("gpt-4o-mini-search-preview-2025-03-11"), "0.02521", "priced"),
    ("search_of_gpt_5", lambda: searched("gpt-5-search-api"), "0.01225", "priced"),
    (
        "the_same_at_bedrock_in_a_region",
        lambda: extract.from_otel(
            span(
                "aws.bedrock",
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                12,
                10,
                **{"gen_ai.usage.cache_read.input_tokens": 9000},
            )
        ),
        "0.0031746",
        "partial",
    ),
]


@pytest.mark.parametrize(("read", "cost", "status"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_reported_usage_has_the_billed_cost(read: Callable[[], Usage], cost: str, status: str) -> None:
    usage = read()
    result = cost_of_usage(usage)
    same = cost_of_usage(extract.from_deepseek({"model": "deepseek-chat", "usage": DEEPSEEK}))["cost"]
    assert (result["cost"], result["pricing_status"]) == (Decimal(cost) if cost else same, status), usage


@pytest.mark.parametrize(
    "key", ["cache_tokens", "video_tokens", "image_count", "thoughts", "n_things", "seconds_heard"]
)
def test_a_count_under_an_unknown_key_makes_the_event_partial_and_is_named(key: str) -> None:
    """Given a count under an unknown key, then the rest is priced, and the tag names the key."""
    for extractor in ("from_openai", "from_anthropic", "from_openrouter", "from_mistral", "from_deepseek", "from_xai"):
        body = {"model": "m", "usage": {"input_tokens": 10, "output_tokens": 5, "details": {key: 7}}}
        usage: Usage = getattr(extract, extractor)(body)
        assert (usage.input_tokens, usage.output_tokens, usage.state) == (10, 5, "unread")
        assert usage.unread == (f"details.{key}",)
        assert usage.as_fields()["tags"]["usage_unread"] == f"details.{key}"
        with pytest.raises(extract.InconsistentUsage, match="was not read"):
            getattr(extract, extractor)(body, strict=True)
    usage = extract.from_anthropic({"model": SONNET, "usage": {"input_tokens": 10, "output_tokens": 5, key: 7}})
    assert cost_of_usage(usage)["pricing_status"] == "partial"
    assert cost_of_usage(usage)["unpriced_units"] == ["usage"]
    assert cost_of_usage(usage)["cost"] == Decimal("0.000105")
