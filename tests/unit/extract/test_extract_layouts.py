"""In each layout of intermediaries and spans, the buckets sum to the total, whatever the counts."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from spendmeter_events import extract
from spendmeter_events.extract import Usage

Parts = tuple[int, int, int, int, int, int]
"""Uncached, cached, written for 5 minutes and for an hour, reasoning, other output."""
Layout = Callable[[Parts], Usage]
counts = st.integers(0, 2**36)


def litellm(parts: Parts) -> Usage:
    uncached, cached, short, long, reasoning, text = parts
    prompt, completion = uncached + cached + short + long, reasoning + text
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": cached,
            "text_tokens": uncached,
            "cache_creation_tokens": short + long,
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        },
        "completion_tokens_details": {"reasoning_tokens": reasoning, "text_tokens": text},
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": short + long,
    }
    return extract.from_openai({"usage": usage}, provider="anthropic")


def cache_beside(parts: Parts) -> Usage:
    uncached, cached, short, long, reasoning, text = parts
    usage = {
        "prompt_tokens": uncached,
        "completion_tokens": reasoning + text,
        "total_tokens": sum(parts),
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": short + long,
        "cache_creation": {"ephemeral_1h_input_tokens": long},
        "reasoning_tokens": reasoning,
    }
    return extract.from_openai({"usage": usage})


def langchain(parts: Parts) -> Usage:
    uncached, cached, short, long, reasoning, text = parts
    metadata = {
        "input_tokens": uncached + cached + short + long,
        "output_tokens": reasoning + text,
        "total_tokens": sum(parts),
        "input_token_details": {
            "cache_read": cached,
            "cache_creation": 0,
            "ephemeral_5m_input_tokens": short,
            "ephemeral_1h_input_tokens": long,
        },
        "output_token_details": {"reasoning": reasoning},
    }
    return extract.from_anthropic({"usage_metadata": metadata})


def ai_sdk(parts: Parts) -> Usage:
    uncached, cached, short, long, reasoning, text = parts
    usage = {
        "inputTokens": uncached + cached + short + long,
        "inputTokenDetails": {
            "noCacheTokens": uncached,
            "cacheReadTokens": cached,
            "cacheWriteTokens": short + long,
        },
        "outputTokens": reasoning + text,
        "outputTokenDetails": {"reasoningTokens": reasoning, "textTokens": text},
        "totalTokens": sum(parts),
    }
    return extract.from_openai({"usage": usage, "response": {"modelId": "m"}})


def ai_sdk_span(parts: Parts) -> Usage:
    uncached, cached, short, long, reasoning, text = parts
    return extract.from_otel(
        {
            "ai.model.provider": "anthropic.messages",
            "gen_ai.usage.input_tokens": uncached + cached + short + long,
            "ai.usage.inputTokens": uncached + cached + short + long,
            "ai.usage.inputTokenDetails.noCacheTokens": uncached,
            "ai.usage.inputTokenDetails.cacheReadTokens": cached,
            "ai.usage.inputTokenDetails.cacheWriteTokens": short + long,
            "ai.usage.outputTokens": reasoning + text,
            "ai.usage.outputTokenDetails.reasoningTokens": reasoning,
        }
    )


def openinference(parts: Parts) -> Usage:
    uncached, cached, short, long, reasoning, text = parts
    return extract.from_otel(
        {
            "llm.provider": "anthropic",
            "llm.token_count.prompt": uncached + cached + short + long,
            "llm.token_count.prompt_details.cache_read": cached,
            "llm.token_count.prompt_details.cache_write": short + long,
            "llm.token_count.completion": reasoning + text,
            "llm.token_count.completion_details.reasoning": reasoning,
            "llm.token_count.total": sum(parts),
        },
        scope="openinference.instrumentation.anthropic",
    )


def openllmetry_of_bedrock(parts: Parts) -> Usage:
    uncached, cached, short, long, reasoning, text = parts
    return extract.from_otel(
        {
            "gen_ai.system": "AWS",
            "gen_ai.usage.input_tokens": uncached,
            "gen_ai.usage.output_tokens": reasoning + text,
            "gen_ai.usage.cache_read.input_tokens": cached,
            "gen_ai.usage.cache_creation.input_tokens": short + long,
            "llm.usage.reasoning_tokens": reasoning,
            "gen_ai.usage.total_tokens": uncached + reasoning + text,
        },
        scope=("opentelemetry.instrumentation.bedrock", "0.62.3"),
    )


def sentry(parts: Parts) -> Usage:
    uncached, cached, short, long, reasoning, text = parts
    return extract.from_otel(
        {
            "gen_ai.system": "openai",
            "gen_ai.usage.input_tokens": uncached + cached + short + long,
            "gen_ai.usage.input_tokens.cached": cached,
            "gen_ai.usage.input_tokens.cache_write": short + long,
            "gen_ai.usage.output_tokens": reasoning + text,
            "gen_ai.usage.output_tokens.reasoning": reasoning,
            "gen_ai.usage.total_tokens": sum(parts),
        }
    )


@given(
    layout=st.sampled_from(
        [
            litellm,
            cache_beside,
            langchain,
            ai_sdk,
            ai_sdk_span,
            openinference,
            openllmetry_of_bedrock,
            sentry,
        ]
    ),
    parts=st.tuples(counts, counts, counts, counts, counts, counts),
)
def test_every_layout_gives_the_disjoint_parts(layout: Layout, parts: Parts) -> None:
    uncached, cached, short, long, reasoning, text = parts
    usage = layout(parts)
    assert (usage.input_tokens, usage.cache_read_tokens) == (uncached, cached)
    assert usage.cache_write_5m_tokens + usage.cache_write_1h_tokens == short + long
    assert (usage.output_tokens, usage.reasoning_tokens) == (reasoning + text, reasoning)
    assert usage.total_tokens == sum(parts)
    assert (usage.state, usage.unread) == ("complete", ())


@given(given_tokens=counts, cached=counts, made=counts)
def test_billed_units_and_evaluation_counts_sum_up_too(given_tokens: int, cached: int, made: int) -> None:
    units = {"input_tokens": given_tokens + cached, "output_tokens": made}
    chat = extract.from_cohere({"usage": {"billed_units": units, "tokens": units, "cached_tokens": cached}})
    assert (chat.input_tokens, chat.cache_read_tokens, chat.output_tokens) == (given_tokens, cached, made)
    local = extract.from_ollama({"done": True, "prompt_eval_count": given_tokens, "eval_count": made})
    assert (local.input_tokens, local.output_tokens, local.state) == (given_tokens, made, "complete")
    found = extract.from_openai({"object": "list", "usage": {"total_tokens": given_tokens}}, provider="voyageai")
    assert (found.total_tokens, found.state) == (given_tokens, "complete")
    sonar = {"prompt_tokens": given_tokens, "completion_tokens": made, "total_tokens": given_tokens + made}
    assert extract.from_perplexity({"usage": sonar}).total_tokens == given_tokens + made
