"""Results of the Vercel AI SDK and LangChain, which spread the counts of a call over several places."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace

import pytest

from spendmeter_events import extract
from spendmeter_events.extract import Usage
from tests.support.ai_sdk import ai_sdk, v4, v5
from tests.support.pricing import cost_of_usage

SONNET = "claude-sonnet-4-5"
TOKENS = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
ANTHROPIC = {"anthropic": {"cacheCreationInputTokens": 100, "cacheReadInputTokens": 9000}}
RAW = {
    "input_tokens": 12,
    "cache_read_input_tokens": 9000,
    "cache_creation_input_tokens": 100,
    "cache_creation": {"ephemeral_1h_input_tokens": 100, "ephemeral_5m_input_tokens": 0},
    "output_tokens": 10,
    "server_tool_use": {"web_search_requests": 2},
}
THOUGHT = {"promptTokenCount": 100, "candidatesTokenCount": 10, "thoughtsTokenCount": 50, "totalTokenCount": 160}


class AIMessageChunk(SimpleNamespace):
    """A message of LangChain, which is known by its module."""

    __module__ = "langchain_core.messages.ai"


BILLED: list[tuple[str, Callable[[], Usage], str]] = [
    # @ai-sdk/openai 1: cached tokens of the prompt are in the metadata only
    (
        "ai_sdk_4_openai",
        lambda: extract.from_openai(
            ai_sdk("gpt-5-nano", v4(2224, 100), {"openai": {"cachedPromptTokens": 2048, "reasoningTokens": 64}})
        ),
        "0.00005904",
    ),
    # @ai-sdk/anthropic 1: the prompt excludes the cache
    ("ai_sdk_4_anthropic", lambda: extract.from_anthropic(ai_sdk(SONNET, v4(12, 10), ANTHROPIC)), "0.003261"),
    (
        "ai_sdk_4_deepseek",
        lambda: extract.from_deepseek(
            ai_sdk(
                "deepseek-chat",
                v4(1100, 40),
                {"deepseek": {"promptCacheHitTokens": 1000, "promptCacheMissTokens": 100}},
            )
        ),
        "0.000042",
    ),
    (
        "ai_sdk_4_google",
        lambda: extract.from_gemini(
            ai_sdk("gemini-2.5-flash", v4(100, 10), {"google": {"usageMetadata": THOUGHT, "groundingMetadata": None}})
        ),
        "0.00018",
    ),
    # @ai-sdk/anthropic 2: reads are in the usage, writes in the metadata
    (
        "ai_sdk_5_anthropic",
        lambda: extract.from_openai(ai_sdk(SONNET, v5(12, 10, 9000), ANTHROPIC), provider="anthropic"),
        "0.003261",
    ),
    (
        "ai_sdk_5_bedrock",
        lambda: extract.from_bedrock(
            ai_sdk(
                "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
                v5(12, 10, 9000),
                {"bedrock": {"usage": {"cacheWriteInputTokens": 100}}},
            )
        ),
        "0.0035871",
    ),
    (
        "ai_sdk_5_google_with_a_search",
        lambda: extract.from_gemini(
            ai_sdk(
                "gemini-2.5-flash",
                {"inputTokens": 100, "outputTokens": 10, "reasoningTokens": 50, "totalTokens": 160},
                {"google": {"groundingMetadata": {"webSearchQueries": ["a"]}, "usageMetadata": THOUGHT}},
            )
        ),
        "0.03518",
    ),
    (
        "ai_sdk_5_stream",
        lambda: extract.from_openai(
            [
                {"type": "text-delta", "text": "x"},
                {"type": "finish-step", **ai_sdk("gpt-5-nano", v5(2224, 100, 2048))},
                {"type": "finish", "totalUsage": v5(2224, 100, 2048)},
            ]
        ),
        "0.00005904",
    ),
    # ai 6: the section has the provider's own usage, with the lifetimes of the cache and the searches
    (
        "ai_sdk_6_anthropic",
        lambda: extract.from_anthropic(
            ai_sdk(
                SONNET,
                {
                    "inputTokens": 9112,
                    "inputTokenDetails": {"noCacheTokens": 12, "cacheReadTokens": 9000, "cacheWriteTokens": 100},
                    "outputTokens": 10,
                    "outputTokenDetails": {"textTokens": 10},
                    "totalTokens": 9122,
                    "raw": RAW,
                },
            )
        ),
        "0.023486",
    ),
    (
        "ai_sdk_middleware",
        lambda: extract.from_openai(
            ai_sdk(
                "gpt-5-nano",
                {
                    "inputTokens": {"total": 2224, "noCache": 176, "cacheRead": 2048, "cacheWrite": None},
                    "outputTokens": {"total": 100, "text": 36, "reasoning": 64},
                },
            )
        ),
        "0.00005904",
    ),
    (
        "ai_sdk_steps",
        lambda: extract.from_anthropic(
            {
                "usage": v5(1, 1, 9100),
                "steps": [
                    ai_sdk(SONNET, v5(12, 10, 9000), {"anthropic": {"cacheCreationInputTokens": 100}}),
                    ai_sdk(SONNET, v5(1, 1, 9100), {"anthropic": {"cacheCreationInputTokens": None}}),
                ],
            }
        ),
        "0.006009",
    ),
    (
        "ai_sdk_total_of_steps",
        lambda: extract.from_openai({**ai_sdk("gpt-5-nano", v5(10, 5, 0)), "totalUsage": v5(110, 25, 0)}),
        "0.0000155",
    ),
    (
        "ai_sdk_embedding",
        lambda: extract.from_openai({"usage": {"tokens": 7}}, request={"model": "text-embedding-3-small"}),
        "0.00000014",
    ),
    (
        "ai_sdk_4_span",
        lambda: extract.from_otel(
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.model.provider": "anthropic.messages",
                "ai.model.id": SONNET,
                "ai.usage.promptTokens": 12,
                "ai.usage.completionTokens": 10,
                "ai.response.providerMetadata": json.dumps(ANTHROPIC),
            }
        ),
        "0.003261",
    ),
    (
        "ai_sdk_5_span_of_google",
        lambda: extract.from_otel(
            {
                "ai.model.provider": "google.generative-ai",
                "ai.model.id": "gemini-2.5-flash",
                "ai.usage.inputTokens": 100,
                "ai.usage.outputTokens": 10,
                "ai.usage.reasoningTokens": 50,
                "ai.usage.totalTokens": 160,
                "ai.response.providerMetadata": "not metadata",
            }
        ),
        "0.00018",
    ),
    # LangChain's results, messages and callback, in Python and JavaScript
    (
        "langchain_result",
        lambda: extract.from_openai(
            {
                "llm_output": {},
                "generations": [
                    [{"message": {"usage_metadata": TOKENS, "response_metadata": {"model_name": "gpt-4o"}}}] * 2
                ],
            }
        ),
        "0.000075",
    ),
    (
        "langchain_result_as_an_object",
        lambda: extract.from_openai(
            AIMessageChunk(
                generations=[[AIMessageChunk(message=AIMessageChunk(usage_metadata=TOKENS, id="m"))]], llm_output=None
            ),
            request={"model": "gpt-4o"},
        ),
        "0.000075",
    ),
    (
        "langchain_serialised",
        lambda: extract.from_openai(
            {"lc": 1, "kwargs": {"usage_metadata": TOKENS, "response_metadata": {"model_name": "gpt-4o"}}}
        ),
        "0.000075",
    ),
    (
        "langchain_js",
        lambda: extract.from_openai({"response_metadata": {"tokenUsage": v4(10, 5), "model_name": "gpt-4o"}}),
        "0.000075",
    ),
    ("langchain_callback", lambda: extract.from_openai({"gpt-4o": TOKENS}), "0.000075"),
    (
        "langchain_stream",
        lambda: extract.from_anthropic(
            [
                AIMessageChunk(usage_metadata={**TOKENS, "output_tokens": 0, "total_tokens": 10}, id="m"),
                AIMessageChunk(usage_metadata=None, response_metadata={"model_name": SONNET}),
                AIMessageChunk(usage_metadata={"input_tokens": 0, "output_tokens": 5, "total_tokens": 5}),
            ]
        ),
        "0.000105",
    ),
    (
        "langchain_stream_of_dicts",
        lambda: extract.from_openai(
            [
                {"usage_metadata": TOKENS, "response_metadata": {}},
                {"usage_metadata": None, "response_metadata": {"model_name": "gpt-4o"}},
            ]
        ),
        "0.000075",
    ),
]


@pytest.mark.parametrize(("read", "cost"), [case[1:] for case in BILLED], ids=[case[0] for case in BILLED])
def test_counts_in_any_place_have_the_billed_cost(read: Callable[[], Usage], cost: str) -> None:
    usage = read()
    result = cost_of_usage(usage)
    assert (result["cost"], result["pricing_status"], usage.state) == (Decimal(cost), "priced", "complete"), usage
