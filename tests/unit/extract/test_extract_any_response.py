"""`usage_of` recognises each provider's published payloads, and never raises."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from spendmeter_events.extract import usage_of
from tests.unit.extract.test_extract_payloads import CASES, forms, run

_AMBIGUOUS = {
    # Read by `from_openai` with the provider of another layout.
    "ai_sdk_5_result",
    "gateway_with_the_cache_beside_as_its_total_shows",
    "litellm_web_searches_and_images_of_gemini",
}


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case["extractor"] != "from_otel" and case["name"] not in _AMBIGUOUS],
    ids=lambda case: f"{case['extractor'][5:]}-{case['name']}",
)
def test_a_published_payload_is_recognised(case: dict[str, Any]) -> None:
    expected = run(case, next(forms(case)))
    for form in forms(case):
        assert usage_of(form, provider=expected.provider, request=case.get("request")) == expected


@pytest.mark.parametrize(
    ("payload", "provider", "counts"),
    [
        ({"type": "message", "usage": {"input_tokens": 5, "output_tokens": 3}}, "anthropic", (5, 3)),
        ({"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3}}, "gemini", (5, 3)),
        ({"usage": {"inputTokens": 5, "outputTokens": 3}, "ResponseMetadata": {}}, "bedrock", (5, 3)),
        ({"usage": {"prompt_tokens": 5, "completion_tokens": 3}}, "openai", (5, 3)),
        # frameworks name the provider, or only have their own layout
        (
            {"usage": {"inputTokens": 5, "outputTokens": 3}, "providerMetadata": {"gateway": {}, "anthropic": {}}},
            "anthropic",
            (5, 3),
        ),
        ({"usage": {"inputTokens": 5, "outputTokens": 3}, "providerMetadata": {"groq": {}}}, "groq", (5, 3)),
        ({"usage": {"inputTokens": 5, "outputTokens": 3}, "finishReason": "stop"}, "openai", (5, 3)),
        (
            {
                "usage_metadata": {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
                "response_metadata": {"model_provider": "google_genai"},
            },
            "gemini",
            (5, 3),
        ),
    ],
)
def test_the_layout_names_the_provider(payload: object, provider: str, counts: tuple[int, int]) -> None:
    usage = usage_of(payload)
    assert (usage.provider, (usage.input_tokens, usage.output_tokens)) == (provider, counts)


def test_the_class_of_an_sdk_names_the_provider() -> None:
    kind = type("Message", (SimpleNamespace,), {"__module__": "anthropic.types.message"})
    usage = usage_of(kind(model="claude", usage=SimpleNamespace(input_tokens=5, output_tokens=3)))
    assert (usage.provider, usage.input_tokens) == ("anthropic", 5)


class _Broken:
    @property
    def usage(self) -> object:
        raise RuntimeError("broken")


def _cut() -> Any:
    yield {"choices": []}
    raise ConnectionError("cut")


@pytest.mark.parametrize("response", [None, 7, "text", b"", object(), _Broken(), _cut(), [], {}, [None], {"usage": []}])
def test_it_never_raises(response: object) -> None:
    usage = usage_of(response)
    assert (usage.state in ("missing", "aborted"), usage.total_tokens) == (True, 0)
