"""Characters, seconds, images and tool calls."""

from __future__ import annotations

from tests.support.price_table.case import HOUR, image, unit
from tests.support.price_table.pages import (
    AZURE,
    AZURE_SPEECH,
    BEDROCK,
    CLAUDE,
    ELEVENLABS,
    GEMINI,
    GOOGLE_TTS,
    GROQ,
    MISTRAL,
    OPENAI,
    POLLY,
)
from tests.support.pricing import M

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
