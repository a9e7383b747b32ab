"""Tokens of text, audio and images, cached or not, have the cost that the provider bills for each kind."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from spendmeter_events import extract
from spendmeter_events.extract import Usage
from tests.support.pricing import cost_of_usage

LIVE: dict[str, Any] = {
    "total_tokens": 1855,
    "input_tokens": 1459,
    "output_tokens": 396,
    "input_token_details": {
        "text_tokens": 1349,
        "audio_tokens": 110,
        "image_tokens": 0,
        "cached_tokens": 1408,
        "cached_tokens_details": {"text_tokens": 1344, "audio_tokens": 64, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 97, "audio_tokens": 299},
}


def realtime(model: str, usage: dict[str, Any]) -> Usage:
    return extract.from_openai(
        {"type": "response.done", "response": {"status": "completed", "usage": usage}}, request={"model": model}
    )


def seen(cached: dict[str, int] | None) -> dict[str, Any]:
    details: dict[str, Any] = {"text_tokens": 152, "image_tokens": 194, "cached_tokens": 322}
    details |= {} if cached is None else {"cached_tokens_details": cached}
    return {"input_tokens": 346, "output_tokens": 29, "total_tokens": 375, "input_token_details": details}


def image(
    model: str, output: int, kinds: dict[str, int], drawn: dict[str, int] | None = None, provider: str = "openai"
) -> Usage:
    prompt = sum(kinds.values())
    usage: dict[str, Any] = {
        "input_tokens": prompt,
        "output_tokens": output,
        "total_tokens": prompt + output,
        "input_tokens_details": kinds,
    }
    usage |= {"output_tokens_details": drawn} if drawn else {}
    body = {"created": 1, "data": [{"b64_json": "aGk="}], "size": "1024x1024", "quality": "medium", "usage": usage}
    return extract.from_openai(body, request={"model": model}, provider=provider)


def gemini(model: str, usage: dict[str, Any], *parts: str) -> Usage:
    content = {"parts": [{"inlineData": {"mimeType": kind, "data": ""}} for kind in parts]}
    return extract.from_gemini({"modelVersion": model, "candidates": [{"content": content}], "usageMetadata": usage})


def by_kind(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": kind.upper(), "tokenCount": count} for kind, count in counts.items()]


HEARD = {
    "promptTokenCount": 100000,
    "cachedContentTokenCount": 96000,
    "candidatesTokenCount": 100,
    "totalTokenCount": 100100,
    "promptTokensDetails": by_kind(text=4000, audio=96000),
    "cacheTokensDetails": by_kind(audio=96000),
}
DRAWN = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 1120,
    "thoughtsTokenCount": 225,
    "totalTokenCount": 1355,
    "candidatesTokensDetails": by_kind(image=1120),
}
WHOLE = {name: DRAWN[name] for name in DRAWN if name != "candidatesTokensDetails"}
FILMED = {
    "promptTokenCount": 1000,
    "candidatesTokenCount": 10,
    "totalTokenCount": 1010,
    "promptTokensDetails": by_kind(text=100, image=300, video=600),
}
EDIT = {"text_tokens": 34, "image_tokens": 323}
PLAIN = {"text_tokens": 23}
BILLED: list[tuple[str, Callable[[], Usage], str, str]] = [
    # https://developers.openai.com/api/docs/pricing: the Realtime API has rates for text, audio and images
    ("realtime_mini", lambda: realtime("gpt-realtime-mini", LIVE), "0.00677564", "priced"),
    ("realtime", lambda: realtime("gpt-realtime", LIVE), "0.022743200", "priced"),
    (
        "realtime_sees",
        lambda: realtime("gpt-realtime-2.1-mini", seen({"text_tokens": 128, "image_tokens": 194})),
        "0.0001072",
        "priced",
    ),
    ("realtime_cached_kinds_unknown", lambda: realtime("gpt-realtime-2.1-mini", seen(None)), "0.00011152", "partial"),
    # the Images API: text and images in, images out; Azure splits the output
    ("edit", lambda: image("gpt-image-1", 1056, EDIT), "0.04564", "priced"),
    ("edit_mini", lambda: image("gpt-image-1-mini", 1056, EDIT), "0.0093235", "priced"),
    ("image_1_5", lambda: image("gpt-image-1.5", 1056, PLAIN), "0.033907", "priced"),
    (
        "image_1_5_on_azure",
        lambda: image("gpt-image-1.5", 6543, EDIT, {"text_tokens": 335, "image_tokens": 6208}, "azure"),
        "0.20476",
        "priced",
    ),
    ("image_2", lambda: image("gpt-image-2", 1056, PLAIN), "0.031795", "priced"),
    ("image_latest", lambda: image("chatgpt-image-latest", 1056, PLAIN), "0.033907", "priced"),
    # https://ai.google.dev/gemini-api/docs/pricing
    ("gemini_hears_a_cache", lambda: gemini("gemini-2.5-flash", HEARD), "0.01105", "priced"),
    ("gemini_lite_hears_a_cache", lambda: gemini("gemini-2.5-flash-lite", HEARD), "0.00332", "priced"),
    ("gemini_draws", lambda: gemini("gemini-3-pro-image", DRAWN, "image/png"), "0.13712", "priced"),
    ("gemini_flash_draws", lambda: gemini("gemini-2.5-flash-image", DRAWN, "image/png"), "0.0341655", "priced"),
    ("gemini_draws_without_details", lambda: gemini("gemini-3-pro-image", WHOLE, "image/png"), "0.13712", "partial"),
    ("gemini_sees_at_the_rate_of_text", lambda: gemini("gemini-2.5-flash", FILMED), "0.000325", "priced"),
    ("gemini_live_has_a_rate_for_video", lambda: gemini("gemini-3.1-flash-live-preview", FILMED), "0.00087", "partial"),
    (
        "openrouter_draws",
        lambda: extract.from_openrouter(
            {
                "model": "gpt-image-1",
                "usage": {
                    "prompt_tokens": 23,
                    "completion_tokens": 1056,
                    "total_tokens": 1079,
                    "completion_tokens_details": {"image_tokens": 1056, "reasoning_tokens": 0},
                },
            }
        ),
        "",
        "unpriced",
    ),
]


@pytest.mark.parametrize(("read", "cost", "status"), [case[1:] for case in BILLED], ids=[case[0] for case in BILLED])
def test_each_kind_of_token_has_its_own_rate(read: Callable[[], Usage], cost: str, status: str) -> None:
    usage = read()
    result = cost_of_usage(usage)
    assert (result["cost"], result["pricing_status"]) == (Decimal(cost or 0), status), (usage, result["unpriced_units"])


def test_the_saving_of_a_cached_token_is_against_its_own_kind() -> None:
    """96,000 cached audio tokens at $0.10 instead of $1.00."""
    assert cost_of_usage(gemini("gemini-2.5-flash", HEARD))["cache_savings"] == Decimal("0.0864")


def test_images_of_a_model_without_a_rate_for_them_are_text() -> None:
    """xAI and Gemini's chat models publish no rate for images in the input."""
    details = {"text_tokens": 100, "image_tokens": 900, "cached_tokens": 500}
    usage = extract.from_xai(
        {
            "model": "grok-4",
            "usage": {
                "prompt_tokens": 1000,
                "completion_tokens": 0,
                "total_tokens": 1000,
                "prompt_tokens_details": details,
            },
        }
    )
    assert (usage.input_image_tokens, usage.cache_read_image_tokens, usage.cache_read_tokens) == (500, 400, 100)
    assert cost_of_usage(usage)["cost"] == Decimal("0.001875")


def test_cached_images_of_a_model_without_their_rate_are_unpriced() -> None:
    """The rate of cached text is not that of cached images where images have a rate of their own."""
    kinds = {"text_tokens": 0, "image_tokens": 40, "cached_tokens": 40, "cached_tokens_details": {"image_tokens": 40}}
    usage = extract.from_gemini(
        {
            "modelVersion": "gemini-3.1-flash-live-preview",
            "usageMetadata": {
                "promptTokenCount": 40,
                "cachedContentTokenCount": 40,
                "candidatesTokenCount": 1,
                "totalTokenCount": 41,
                "promptTokensDetails": by_kind(image=40),
                "cacheTokensDetails": by_kind(image=40),
            },
        }
    )
    assert usage.cache_read_image_tokens == kinds["cached_tokens"]
    assert cost_of_usage(usage)["unpriced_units"] == ["cache_read_image_tokens"]
