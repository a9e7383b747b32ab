"""Free models, and calls that the book prices in part or not at all."""

from __future__ import annotations

from tests.support.price_table.case import HOUR, Case, lower_bound, tokens
from tests.support.price_table.pages import AZURE, CLAUDE, GEMINI, MISTRAL, OPENAI, OPENROUTER, SONAR
from tests.support.pricing import Call, M

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
        {"input_cost": "0.3", "output_cost": "2.5", "unit_cost": "0.039"},
        GEMINI,
    ),
    lower_bound("perplexity", "sonar", tokens(i=M, o=M), {"input_cost": "1", "output_cost": "1"}, SONAR),
    lower_bound("pplx", "sonar-pro", tokens(i=M, o=M), {"input_cost": "3", "output_cost": "15"}, SONAR),
    lower_bound("perplexity-ai", "sonar-reasoning-pro", tokens(o=M), {"output_cost": "8"}, SONAR),
    lower_bound("openai", "gpt-4o-mini-tts", {"characters": M}, {"unit_cost": "0.15"}, OPENAI),
    Case(Call("openai", "gpt-4o-mini-tts", tokens(i=M)), {"input_cost": "0.6"}, OPENAI),
    Case(Call("mistral", "mistral-ocr-latest", tokens(i=M)), {}, MISTRAL, "unpriced", ("input_tokens",)),
]
