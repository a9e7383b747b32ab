"""Cache writes and reads, long prompts, audio tokens and embeddings."""

from __future__ import annotations

from tests.support.price_table.case import Case, tokens
from tests.support.price_table.pages import (
    AZURE,
    BEDROCK,
    CLAUDE,
    COHERE,
    GEMINI,
    KIMI,
    MISTRAL,
    OPENAI,
    OPENROUTER,
    XAI,
)
from tests.support.pricing import Call, M

CACHE = [
    Case(
        Call("anthropic", "claude-opus-5-5", tokens(M, M, M)),
        {"cache_read_cost": "0.20", "cache_write_cost": "13"},
        CLAUDE,
    ),
    Case(
        Call("anthropic", "claude-haiku-4-5", tokens(0, M, M)),
        {"cache_write_cost": "3.25"},
        CLAUDE,
    ),
    Case(
        Call("anthropic", "claude-opus-5-5", tokens(M, M, M, i=M, o=M), region="us"),
        {"input_cost": "4.4", "cache_read_cost": "0.22", "cache_write_cost": "14.3", "output_cost": "22"},
        "https://platform.claude.com/docs/en/manage-claude/data-residency",
    ),
    Case(
        Call("anthropic", "claude-opus-4-5", tokens(i=M), region="us"),
        {"input_cost": "5"},
        "https://platform.claude.com/docs/en/manage-claude/data-residency",
    ),
    Case(
        Call("anthropic", "claude-haiku-4-5", tokens(M, M, M, i=M, o=M), tier="batch"),
        {"input_cost": "0.5", "cache_read_cost": "0.05", "cache_write_cost": "1.625", "output_cost": "2.5"},
        CLAUDE,
    ),
    Case(Call("openai", "gpt-6-sol", tokens(0, M // 10)), {"cache_write_cost": "0.25"}, OPENAI),
]

LONG = [
    # more than 200,000 tokens of prompt, cached ones included, reprice the whole request
    Case(Call("google", "gemini-2.5-pro", tokens(i=200_000, o=M)), {"input_cost": "0.25", "output_cost": "10"}, GEMINI),
    Case(
        Call("google", "gemini-2.5-pro", tokens(i=200_001, o=M)),
        {"input_cost": "0.5000025", "output_cost": "15"},
        GEMINI,
    ),
    Case(
        Call("google", "gemini-2.5-pro", tokens(200_000, i=1, o=M)),
        {"input_cost": "0.0000025", "cache_read_cost": "0.05", "output_cost": "15"},
        GEMINI,
    ),
    Case(
        Call("anthropic", "claude-sonnet-4-5", tokens(100_000, 100_001, o=M)),
        {"cache_read_cost": "0.06", "cache_write_cost": "0.7500075", "output_cost": "22.5"},
        CLAUDE,
    ),
    # Sonnet 4 has the long-prompt price of its family, at every provider
    Case(
        Call("anthropic", "claude-sonnet-4-20250514", tokens(0, 250_000, i=10, o=100), at="2025-10-01T00:00:00+00:00"),
        {"cache_write_cost": "1.875", "input_cost": "0.00006", "output_cost": "0.00225"},
        CLAUDE,
    ),
    Case(Call("anthropic", "claude-sonnet-4", tokens(200_001, 0, 0)), {"cache_read_cost": "0.1200006"}, CLAUDE),
    Case(Call("anthropic", "claude-sonnet-4-0", tokens(0, 0, 200_001)), {"cache_write_cost": "2.400012"}, CLAUDE),
    Case(
        Call("bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", tokens(i=M, o=M)),
        {"input_cost": "6", "output_cost": "22.5"},
        BEDROCK,
    ),
    Case(
        Call("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", tokens(i=M, o=M)),
        {"input_cost": "6.6", "output_cost": "24.75"},
        BEDROCK,
    ),
    Case(Call("vertex_ai", "claude-sonnet-4@20250514", tokens(i=M)), {"input_cost": "6"}, CLAUDE),
    Case(Call("openrouter", "anthropic/claude-sonnet-4", tokens(i=M)), {"input_cost": "6"}, OPENROUTER),
    Case(Call("xai", "grok-4-0709", tokens(i=128_001, o=M)), {"input_cost": "0.768006", "output_cost": "30"}, XAI),
    Case(Call("xai", "grok-4-1-fast-reasoning", tokens(i=128_001)), {"input_cost": "0.0512004"}, XAI),
    Case(Call("moonshot", "kimi-latest", tokens(i=8_192)), {"input_cost": "0.0016384"}, KIMI),
    Case(Call("kimi", "kimi-latest", tokens(i=8_193)), {"input_cost": "0.008193"}, KIMI),
    Case(Call("moonshot-ai", "kimi-latest", tokens(i=32_769)), {"input_cost": "0.065538"}, KIMI),
    Case(Call("anthropic", "claude-haiku-5-5", tokens(i=100_000)), {"input_cost": "0.01"}, CLAUDE),
    Case(Call("anthropic", "claude-haiku-5-5", tokens(i=100_001)), {"input_cost": "0.0500005"}, CLAUDE),
    Case(
        Call("anthropic", "claude-opus-4-6", tokens(i=M), at="2026-03-12T23:00:00+00:00"),
        {"input_cost": "10"},
        "https://claude.com/blog/1m-context-ga",
    ),
    Case(
        Call("anthropic", "claude-opus-4-6", tokens(i=M), at="2026-03-13T00:00:00+00:00"),
        {"input_cost": "5"},
        "https://claude.com/blog/1m-context-ga",
    ),
    Case(Call("openai", "gpt-5.5", tokens(i=272_000)), {"input_cost": "1.36"}, OPENAI),
    Case(Call("openai", "gpt-5.5", tokens(i=272_001)), {"input_cost": "2.72001"}, OPENAI),
    # xAI's threshold is inclusive: at 200,000 the higher price holds
    Case(Call("xai", "grok-4.20", tokens(i=199_999)), {"input_cost": "0.24999875"}, XAI),
    Case(Call("xai", "grok-4.20", tokens(i=200_000)), {"input_cost": "0.5"}, XAI),
]

AUDIO_TOKENS = [
    Case(
        Call("openai", "gpt-audio", {"input_audio_tokens": M, "output_audio_tokens": M}), {"audio_cost": "96"}, OPENAI
    ),
    Case(
        Call("openai", "gpt-4o-audio-preview", {"input_audio_tokens": M, "output_audio_tokens": M}),
        {"audio_cost": "120"},
        OPENAI,
    ),
    Case(Call("openai", "gpt-4o-transcribe", {"input_audio_tokens": M}), {"audio_cost": "6"}, OPENAI),
    Case(Call("google", "gemini-2.5-flash", {"input_audio_tokens": M}), {"audio_cost": "1"}, GEMINI),
    Case(Call("google", "gemini-3.5-flash-lite", {"input_audio_tokens": M}), {"audio_cost": "0.3"}, GEMINI),
]

EMBEDDINGS = [
    Case(Call("openai", "text-embedding-3-small", tokens(i=M)), {"input_cost": "0.02"}, OPENAI),
    Case(Call("openai", "text-embedding-3-large", tokens(i=M)), {"input_cost": "0.13"}, OPENAI),
    Case(Call("google", "gemini-embedding-001", tokens(i=M)), {"input_cost": "0.15"}, GEMINI),
    Case(Call("cohere", "embed-multilingual-v3.0", tokens(i=M)), {"input_cost": "0.1"}, COHERE),
    Case(Call("mistral", "mistral-embed", tokens(i=M)), {"input_cost": "0.1"}, MISTRAL),
    Case(Call("bedrock", "amazon.titan-embed-text-v2:0", tokens(i=M)), {"input_cost": "0.02"}, BEDROCK),
    Case(Call("azure", "text-embedding-3-small", tokens(i=M)), {"input_cost": "0.02"}, AZURE),
]
