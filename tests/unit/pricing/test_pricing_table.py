"""Prices of the packaged book match the pages that publish them: a million of each unit costs its rate.

`usage` is the usage of a call, `cost` its cost by the page. Each case names its page; "genai-prices" is the page as
quoted in that package's data, 2026-11-04.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from spendmeter_stream.pricing import PriceBook
from tests.support.pricing import COSTS, Call, packaged_book, price

M = 1_000_000
HOUR = 3_600_000
OPENAI = "https://developers.openai.com/api/docs/pricing"
CLAUDE = "https://platform.claude.com/docs/en/about-claude/pricing"
FAST = "https://platform.claude.com/docs/en/build-with-claude/fast-mode"
SONAR = "https://docs.perplexity.ai/docs/getting-started/pricing"
GEMINI = "https://ai.google.dev/gemini-api/docs/pricing"
BEDROCK = "https://aws.amazon.com/bedrock/pricing/"
MISTRAL = "https://mistral.ai/pricing/api"
KIMI = "https://platform.moonshot.ai/docs/pricing/chat"
V32 = "https://api-docs.deepseek.com/news/news250929"
GROQ = "https://console.groq.com/docs/models"
XAI = "https://docs.x.ai/docs/models"
DEEPSEEK = "https://api-docs.deepseek.com/quick_start/pricing"
OPENROUTER = "https://openrouter.ai/models"
TOGETHER = "https://www.together.ai/pricing"
COHERE = "https://cohere.com/pricing"
AZURE = "https://azure.microsoft.com/pricing/details/cognitive-services/openai-service/"
AZURE_SPEECH = "https://azure.microsoft.com/pricing/details/cognitive-services/speech-services/"
ELEVENLABS = "https://elevenlabs.io/pricing/api"
GOOGLE_TTS = "https://cloud.google.com/text-to-speech/pricing"
POLLY = "https://aws.amazon.com/polly/pricing/"
LATE = "2026-11-01T12:00:00+00:00"


class Case(NamedTuple):
    call: Call
    cost: Mapping[str, str]
    source: str
    status: str = "priced"
    unpriced: tuple[str, ...] = ()


def tokens(read: int = 0, write: int = 0, hour: int = 0, *, i: int = 0, o: int = 0) -> dict[str, int]:
    return {
        "input_tokens": i,
        "cache_read_tokens": read,
        "cache_write_5m_tokens": write,
        "cache_write_1h_tokens": hour,
        "output_tokens": o,
    }


def chat(provider: str, model: str, i: str, o: str, source: str, *, read: str = "", **call: Any) -> Case:
    """Return a case with 100,000 tokens in and out (below every long-prompt threshold), at rates per million."""
    usage = tokens(M // 10 if read else 0, i=M // 10 if not read else 0, o=M // 10)
    cost = {"output_cost": str(Decimal(o) / 10)}
    cost |= {"cache_read_cost": str(Decimal(read) / 10)} if read else {"input_cost": str(Decimal(i) / 10)}
    return Case(Call(provider, model, usage, **call), cost, source)


def unit(provider: str, model: str, usage: dict[str, int], cost: str, source: str, **call: object) -> Case:
    return Case(Call(provider, model, usage, **call), {"unit_cost": cost}, source)  # type: ignore[arg-type]


def image(model: str, size: str, quality: str, cost: str, source: str = OPENAI) -> Case:
    tags = {name: value for name, value in (("image_size", size), ("image_quality", quality)) if value}
    return unit("openai", model, {"images": 10}, cost, source, tags=tags)


CHAT = [
    # OpenAI
    chat("openai", "gpt-4o", "2.50", "10", OPENAI),
    chat("openai", "gpt-4o", "2.50", "10", OPENAI, read="1.25"),
    chat("openai", "gpt-4o", "2.50", "10", OPENAI, at="2023-11-16T08:00:00+00:00"),
    chat("openai", "gpt-4o", "5", "15", "https://openai.com/index/hello-gpt-4o/", at="2024-05-13T00:00:00+00:00"),
    chat("openai", "gpt-4o", "5", "15", "https://openai.com/index/hello-gpt-4o/", at="2024-10-01T23:59:59.999+00:00"),
    chat("openai", "gpt-4o", "2.50", "10", OPENAI, at="2024-10-02T00:00:00+00:00"),
    chat("openai", "gpt-4o-2024-05-13", "5", "15", OPENAI),
    chat("openai", "gpt-4o-2024-08-06", "2.50", "10", OPENAI),
    chat("openai", "gpt-4o-2024-11-20", "2.50", "10", OPENAI),
    chat("openai", "GPT-4o-Mini", "0.15", "0.60", OPENAI),
    chat("openai", "openai/gpt-4o-mini-2024-07-18", "0.15", "0.60", OPENAI, read="0.075"),
    chat("openai", "gpt-4.1", "2", "8", OPENAI),
    chat("openai", "gpt-4.1-mini", "0.40", "1.60", OPENAI),
    chat("openai", "gpt-4.1-nano", "0.10", "0.40", OPENAI),
    chat("openai", "gpt-4", "30", "60", OPENAI),
    chat("openai", "gpt-4-turbo", "10", "30", OPENAI),
    chat("openai", "gpt-3.5-turbo", "0.50", "1.50", OPENAI),
    chat("openai", "gpt-5", "1.25", "10", OPENAI, read="0.125"),
    chat("openai", "gpt-5-mini", "0.25", "2", OPENAI),
    chat("openai", "gpt-5-nano", "0.05", "0.40", OPENAI),
    chat("openai", "gpt-5.1-2025-11-13", "1.25", "10", OPENAI),
    chat("openai", "gpt-5.2-20251211", "1.75", "14", OPENAI),
    chat("openai", "gpt-5.2-pro", "21", "168", OPENAI),
    chat("openai", "o1", "15", "60", OPENAI),
    chat("openai", "o3", "10", "40", OPENAI, at="2025-06-09T23:59:59+00:00"),
    chat("openai", "o3", "2", "8", OPENAI, at="2025-06-10T00:00:00+00:00"),
    chat("openai", "gpt-5.6-luna", "1", "6", OPENAI, at="2026-07-29T12:00:00+00:00"),
    chat("openai", "gpt-5.6-luna", "0.20", "1.20", OPENAI, at="2026-07-30T12:00:00+00:00"),
    chat("openai", "gpt-6-sol", "2", "10", OPENAI),
    # tiers, as served
    chat("openai", "gpt-4o", "1.25", "5", OPENAI, tier="batch"),
    chat("openai", "gpt-4o", "4.25", "17", OPENAI, tier="priority"),
    chat("openai", "gpt-4o", "2.50", "10", OPENAI, tier="default"),
    chat("openai", "gpt-5", "0.625", "5", OPENAI, tier="flex"),
    chat("openai", "gpt-5", "2.50", "20", OPENAI, tier="priority", read="0.25"),
    chat("openai", "gpt-5-mini", "0.125", "1", OPENAI, tier="batch"),
    chat("anthropic", "claude-opus-5-5", "2", "10", CLAUDE, tier="batch"),
    chat("anthropic", "claude-opus-5-5", "8", "40", CLAUDE, tier="fast"),
    chat("anthropic", "claude-opus-4-6", "30", "150", FAST, tier="fast"),
    chat("anthropic", "claude-opus-4-6-20260205", "30", "150", FAST, tier="fast", read="3"),
    chat("anthropic", "claude-opus-4-7", "30", "150", FAST, tier="fast"),
    chat("google", "gemini-2.5-flash", "0.15", "1.25", GEMINI, tier="batch"),
    chat("groq", "openai/gpt-oss-120b", "0.075", "0.30", GROQ, tier="batch"),
    chat("mistral", "mistral-large-2512", "0.25", "0.75", MISTRAL, tier="batch"),
    # Anthropic
    chat("anthropic", "claude-3-haiku-20240307", "0.25", "1.25", CLAUDE),
    chat("anthropic", "claude-3-5-sonnet-20241022", "3", "15", CLAUDE, read="0.30"),
    chat("anthropic", "claude-3-opus-20240229", "15", "75", CLAUDE),
    chat("anthropic", "claude-sonnet-4-20250514", "3", "15", CLAUDE),
    chat("anthropic", "claude-sonnet-4-5-20250929", "3", "15", CLAUDE),
    chat("anthropic", "claude-haiku-4-5", "1", "5", CLAUDE, read="0.10"),
    chat("anthropic", "claude-opus-4-1-20250805", "15", "75", CLAUDE),
    chat("anthropic", "claude-opus-4-5", "5", "25", CLAUDE),
    chat("anthropic", "claude-opus-5", "5", "25", CLAUDE),
    chat("anthropic", "claude-sonnet-5", "2", "10", CLAUDE),
    chat("anthropic", "claude-sonnet-5-20260601", "2", "10", CLAUDE),
    chat("anthropic", "claude-fable-5-2", "8", "40", CLAUDE, read="0.20"),
    # Google
    chat("google", "gemini-2.5-pro", "1.25", "10", GEMINI),
    chat("gemini", "models/gemini-2.5-flash", "0.30", "2.50", GEMINI, read="0.03"),
    chat("vertex_ai", "publishers/google/models/gemini-2.5-flash-lite", "0.10", "0.40", GEMINI),
    chat("google", "gemini-3.6-flash", "0.75", "3.75", GEMINI),
    chat("google", "gemini-3.6-flash", "1.50", "7.50", GEMINI, at="2027-01-01T00:00:00+00:00"),
    chat("vertex", "claude-sonnet-4-5@20250929", "3", "15", "https://cloud.google.com/vertex-ai/generative-ai/pricing"),
    chat(
        "vertex",
        "claude-sonnet-4-5@20250929",
        "3.30",
        "16.50",
        "https://cloud.google.com/vertex-ai/generative-ai/pricing",
        region="us-east5",
    ),
    # Bedrock
    chat("bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0", "3", "15", BEDROCK),
    chat("aws.bedrock", "us.anthropic.claude-3-5-haiku-20241022-v1:0", "0.80", "4", BEDROCK),
    chat("bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0", "1", "5", BEDROCK),
    chat("bedrock", "eu.anthropic.claude-haiku-4-5-20251001-v1:0", "1.10", "5.50", BEDROCK),
    chat("bedrock", "amazon.nova-pro-v1:0", "0.80", "3.20", BEDROCK, read="0.20"),
    chat("bedrock", "us.amazon.nova-micro-v1:0", "0.035", "0.14", BEDROCK),
    chat("bedrock", "meta.llama3-3-70b-instruct-v1:0", "0.72", "0.72", BEDROCK),
    # Azure sells OpenAI's models at OpenAI's list price
    chat("azure", "gpt-4.1-mini", "0.40", "1.60", AZURE),
    chat("azure-openai", "gpt-4o-2024-08-06", "2.50", "10", AZURE),
    chat("azure.ai.openai", "o1", "15", "60", AZURE),
    chat("azure", "phi-4", "0.125", "0.50", AZURE),
    # xAI, Mistral, DeepSeek, Groq, Cohere, Together, OpenRouter
    chat("xai", "grok-3", "3", "15", XAI),
    chat("x-ai", "grok-3-mini", "0.30", "0.50", XAI, read="0.075"),
    chat("xai", "grok-4", "3", "15", XAI),
    chat("mistral", "mistral-large-latest", "0.50", "1.50", MISTRAL),
    chat("mistral", "mistral-small-latest", "0.15", "0.60", MISTRAL),
    chat("mistral", "mistral-small-latest", "0.10", "0.30", MISTRAL, at="2026-03-15T00:00:00+00:00"),
    chat("deepseek", "deepseek-chat", "0.28", "0.42", V32, at="2026-01-15T12:00:00+00:00"),
    chat("deepseek", "deepseek-reasoner", "0.28", "0.42", V32, read="0.028", at="2026-01-15T12:00:00+00:00"),
    chat("deepseek", "deepseek-chat", "0.27", "1.10", DEEPSEEK, at="2025-06-01T12:00:00+00:00"),
    chat("deepseek", "deepseek-chat", "0.135", "0.55", DEEPSEEK, at="2025-06-01T20:00:00+00:00"),
    chat("deepseek", "deepseek-v4-pro", "0.66", "1.98", DEEPSEEK, at="2026-11-02T12:00:00+00:00"),
    chat("deepseek", "deepseek-v4-pro", "1.32", "3.96", DEEPSEEK, at="2026-11-02T09:59:59+00:00"),
    chat("deepseek", "deepseek-v4-pro", "0.66", "1.98", DEEPSEEK, at="2026-11-01T09:00:00+00:00"),
    chat("groq", "llama-3.3-70b-versatile", "0.59", "0.79", GROQ),
    chat("groq", "llama-3.1-8b-instant", "0.05", "0.08", GROQ),
    chat("cohere", "command-r-plus", "2.50", "10", COHERE),
    chat("cohere", "command-a-03-2025", "2.50", "10", COHERE),
    chat("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "0.88", "0.88", TOGETHER),
    chat("openrouter", "openai/gpt-4o", "2.50", "10", OPENROUTER),
    chat("openrouter", "anthropic/claude-3.5-haiku", "0.80", "4", OPENROUTER),
]

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

UNITS = [
    # speech, per character
    unit("openai", "tts-1", {"characters": M}, "15", "https://developers.openai.com/api/docs/models/tts-1"),
    unit("openai", "tts-1-hd", {"characters": M}, "30", "https://developers.openai.com/api/docs/models/tts-1"),
    unit("azure", "tts-1", {"characters": M}, "15", AZURE),
    unit("elevenlabs", "eleven_multilingual_v2", {"characters": 1_000}, "0.1", ELEVENLABS),
    unit("elevenlabs", "eleven_flash_v2_5", {"characters": 1_000}, "0.05", ELEVENLABS),
    unit("azure-speech", "neural", {"characters": M}, "15", AZURE_SPEECH),
    unit("google-cloud", "neural2", {"characters": M}, "16", GOOGLE_TTS),
    unit("google-cloud", "wavenet", {"characters": M}, "4", GOOGLE_TTS),
    unit("google-cloud", "chirp3-hd", {"characters": M}, "30", GOOGLE_TTS),
    unit("amazon-polly", "neural", {"characters": M}, "16", POLLY),
    unit("polly", "standard", {"characters": M}, "4", POLLY),
    unit("aws-polly", "long-form", {"characters": M}, "100", POLLY),
    unit("xai", "text-to-speech", {"characters": M}, "4.2", "https://docs.x.ai/developers/models/text-to-speech"),
    unit("groq", "canopylabs/orpheus-v1-english", {"characters": M}, "22", GROQ),
    # translation
    unit("deepl", "default", {"characters": M}, "25", "https://www.deepl.com/pro-api"),
    unit("google-translate", "nmt", {"characters": M}, "20", "https://cloud.google.com/translate/pricing"),
    unit("aws-translate", "translate", {"characters": M}, "15", "https://aws.amazon.com/translate/pricing/"),
    unit("azure-translator", "translator", {"characters": M}, "10", AZURE_SPEECH),
    # transcription, per second
    unit("openai", "whisper-1", {"audio_milliseconds": 60_000}, "0.006", OPENAI),
    unit("openai", "whisper-1", {"audio_milliseconds": 1}, "0.0001", OPENAI),
    unit("openai", "whisper-1", {"audio_milliseconds": 2_110}, "0.0003", OPENAI),
    unit("azure", "whisper", {"audio_milliseconds": HOUR}, "0.36", AZURE),
    unit("groq", "whisper-large-v3", {"audio_milliseconds": HOUR}, "0.111", GROQ),
    unit("groq", "whisper-large-v3", {"audio_milliseconds": 1_000}, "0.000308333333", GROQ),
    unit("groq", "whisper-large-v3-turbo", {"audio_milliseconds": HOUR}, "0.02", GROQ, tier="batch"),
    unit("mistral", "voxtral-mini-latest", {"audio_milliseconds": HOUR}, "0.18", MISTRAL),
    unit("elevenlabs", "scribe_v1", {"audio_milliseconds": HOUR}, "0.22", ELEVENLABS),
    unit("azure-speech", "stt", {"audio_milliseconds": HOUR}, "1", AZURE_SPEECH),
    unit("azure-speech", "stt", {"audio_milliseconds": HOUR}, "0.18", AZURE_SPEECH, tier="batch"),
    unit(
        "amazon-transcribe",
        "transcribe",
        {"audio_milliseconds": 3_000},
        "0.006",
        "https://aws.amazon.com/transcribe/pricing/",
    ),
    unit(
        "amazon-transcribe",
        "transcribe",
        {"audio_milliseconds": 15_001},
        "0.0064",
        "https://aws.amazon.com/transcribe/pricing/",
    ),
    unit(
        "google-stt",
        "speech-to-text-v1",
        {"audio_milliseconds": 15_001},
        "0.012",
        "https://cloud.google.com/speech-to-text/pricing",
    ),
    # images, by size and quality
    image("dall-e-3", "1024x1024", "standard", "0.4"),
    image("dall-e-3", "1024x1792", "standard", "0.8"),
    image("dall-e-3", "1792x1024", "hd", "1.2"),
    image("dall-e-3", "1024x1024", "HD", "0.8"),
    image("dall-e-3", "", "", "0.4"),
    image("dall-e-2", "256x256", "", "0.16"),
    image("dall-e-2", "512x512", "", "0.18"),
    image("gpt-image-1", "1024x1024", "low", "0.11", "https://developers.openai.com/api/docs/models/gpt-image-1"),
    image("gpt-image-1", "1536x1024", "high", "2.5", "https://developers.openai.com/api/docs/models/gpt-image-1"),
    image(
        "gpt-image-1-mini",
        "1024x1536",
        "medium",
        "0.15",
        "https://developers.openai.com/api/docs/models/gpt-image-1-mini",
    ),
    unit("google", "imagen-4.0-generate-001", {"images": 10}, "0.4", GEMINI),
    unit(
        "bedrock",
        "amazon.nova-canvas-v1:0",
        {"images": 10},
        "0.6",
        BEDROCK,
        tags={"image_size": "1024x1024", "image_quality": "premium"},
    ),
    # tools that the provider runs
    unit("openai", "gpt-5", {"tool_calls": 1_000}, "10", OPENAI, tags={"tool": "web_search"}),
    unit("openai", "gpt-5", {"tool_calls": 1_000}, "2.5", OPENAI, tags={"tool": "file_search"}),
    unit("anthropic", "claude-opus-5-5", {"tool_calls": 1_000}, "10", CLAUDE, tags={"tool": "web_search"}),
    unit("google", "gemini-2.5-flash", {"tool_calls": 1_000}, "35", GEMINI, tags={"tool": "web_search"}),
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

FREE = [
    Case(Call("ollama", "llama3.3:70b", tokens(i=M, o=M)), {}, "https://ollama.com", "free"),
    Case(Call("local", "whatever", {"audio_milliseconds": HOUR}), {}, "https://ollama.com", "free"),
    Case(Call("edge_tts", "hi-IN-SwaraNeural", {"characters": M}), {}, "https://github.com/rany2/edge-tts", "free"),
    Case(Call("openai", "omni-moderation-latest", tokens(i=M)), {}, OPENAI, "free"),
    Case(Call("openrouter", "deepseek/deepseek-r1:free", tokens(i=M, o=M)), {}, OPENROUTER, "free"),
    Case(Call("google", "gemini-2.5-flash", tokens(i=M, o=M), tier="free"), {}, GEMINI, "free"),
    Case(Call("deepl", "default", {"characters": M}, tier="free"), {}, "https://support.deepl.com", "free"),
]

UNKNOWN = [
    Case(Call("nobody", "gpt-4o", tokens(i=M)), {}, "no such provider", "unpriced", ("input_tokens",)),
    Case(Call("openai", "gpt-99", tokens(i=M)), {}, "no such model", "unpriced", ("input_tokens",)),
    Case(Call("anthropic", "claude-opus-5-5", tokens(i=M), tier="priority"), {}, CLAUDE, "unpriced", ("input_tokens",)),
    Case(Call("azure", "gpt-4o", tokens(i=M), tier="batch"), {}, AZURE, "unpriced", ("input_tokens",)),
    Case(Call("openai", "gpt-4o", tokens(i=M) | {"images": 1}), {"input_cost": "2.5"}, OPENAI, "partial", ("images",)),
    Case(
        Call("openai", "gpt-5", {"tool_calls": 3, "input_tokens": M}, tags={"tool": "mixed"}),
        {"input_cost": "1.25"},
        OPENAI,
        "partial",
        ("tool_calls",),
    ),
    Case(Call("openai", "dall-e-3", {"images": 1}, tags={"image_size": "2x2"}), {}, OPENAI, "unpriced", ("images",)),
    Case(Call("anthropic", "claude-2", tokens(M, i=M)), {"input_cost": "8"}, CLAUDE, "partial", ("cache_read_tokens",)),
    Case(
        Call("google", "gemini-2.5-flash-image", tokens(i=M, o=M) | {"images": 1}),
        {"input_cost": "0.3", "unit_cost": "0.039"},
        GEMINI,
        "partial",
        ("output_tokens",),
    ),
    # a fee that no event counts: a lower bound
    Case(
        Call("perplexity", "sonar", tokens(i=M, o=M)),
        {"input_cost": "1", "output_cost": "1"},
        SONAR,
        "partial",
        ("fee",),
    ),
    Case(
        Call("pplx", "sonar-pro", tokens(i=M, o=M)),
        {"input_cost": "3", "output_cost": "15"},
        SONAR,
        "partial",
        ("fee",),
    ),
    Case(Call("perplexity-ai", "sonar-reasoning-pro", tokens(o=M)), {"output_cost": "8"}, SONAR, "partial", ("fee",)),
    Case(Call("openai", "gpt-4o-mini-tts", {"characters": M}), {"unit_cost": "0.15"}, OPENAI, "partial", ("fee",)),
    Case(Call("openai", "gpt-4o-mini-tts", tokens(i=M)), {"input_cost": "0.6"}, OPENAI),
    Case(Call("mistral", "mistral-ocr-latest", tokens(i=M)), {}, MISTRAL, "unpriced", ("input_tokens",)),
]

CASES = [*CHAT, *CACHE, *LONG, *AUDIO_TOKENS, *UNITS, *EMBEDDINGS, *FREE, *UNKNOWN]


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return packaged_book()


def _name(case: Case) -> str:
    call = case.call
    return "-".join(filter(None, (call.provider, call.model, call.tier, call.region, *call.usage)))


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_a_call_has_the_cost_in_the_docs(book: PriceBook, case: Case) -> None:
    priced = price(book, case.call)

    expected = {name: Decimal(case.cost.get(name, 0)) for name in COSTS}
    assert {name: priced[name] for name in COSTS} == expected
    assert priced["cost"] == sum(expected.values())
    assert (priced["pricing_status"], tuple(priced["unpriced_units"])) == (case.status, case.unpriced)


def test_there_are_enough_cases_and_each_has_a_source() -> None:
    assert len(CASES) >= 120
    assert all(case.source for case in CASES)
