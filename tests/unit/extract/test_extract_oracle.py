"""The same payloads read by the `genai-prices` package, an independent reading of the same pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from genai_prices.data import providers

from spendmeter_events import extract
from spendmeter_events.usage_units import CACHE_READS, COMPLETION_TOKENS

PROVIDERS: Final = {
    "from_openai": "openai",
    "from_anthropic": "anthropic",
    "from_bedrock": "aws",
    "from_gemini": "google",
    "from_xai": "x-ai",
    "from_openrouter": "openrouter",
    "from_mistral": "mistral",
    "from_deepseek": "deepseek",
}

DIFFERENT: Final = {
    "ai_sdk_4_result": "it has no reader for the AI SDK",
    "ai_sdk_5_passes_anthropics_count_on": "it has no reader for the AI SDK",
    "ai_sdk_5_result": "it has no reader for the AI SDK",
    "ai_sdk_6_result": "it has no reader for the AI SDK",
    "anthropic_layout_through_a_compatible_client": "its reader for OpenAI supports no other layout",
    "gateway_with_the_cache_beside_as_its_total_shows": "it does not look at the total",
    "gemini_interaction": "it has no reader for interactions",
    "moonshot_and_together_cache_beside_the_details": "it reads OpenAI's place for the cache only",
    "chat_through_a_gateway_that_put_reasoning_inside": "it adds reasoning whatever the total is",
    "thoughts_inside_the_answer_where_the_total_says_so": "it adds thoughts whatever the total is",
    "compaction_is_billed_beside_the_top_level": "it does not read `iterations`",
    "compatible_service_with_reasoning_outside_by_its_total": "it does not look at the total",
    "invoke_nova_body": "it does not read the cache under Nova's name",
    "invoke_openai_body": "it has no reader for OpenAI's models on Bedrock",
    "live_api_names_the_answer_response": "it does not read the Live API's answer",
    "mistral_cached": "it does not read `num_cached_tokens`",
}
"""Payloads of which the package reads less, and the reason."""


def cases() -> list[dict[str, Any]]:
    found = []
    for file in sorted((Path(__file__).parent / "payloads").glob("*.json")):
        for case in json.loads(file.read_text(encoding="utf-8")):
            payload = case.get("payload")
            section = isinstance(payload, dict) and (payload.get("usage") or payload.get("usageMetadata"))
            reported = isinstance(section, dict) and any("rompt" in name or "nput" in name for name in section)
            if reported and case["extractor"] in PROVIDERS and "tags" not in case["expect"]:
                found.append(case)
    return found


def readings(case: dict[str, Any]) -> list[tuple[int, int, int]]:
    """Return (input, output, cache read) by each of the package's readers for this provider that can read it."""
    provider = next(each for each in providers if each.id == PROVIDERS[case["extractor"]])
    found = []
    for reader in provider.extractors or []:
        try:
            _, usage = reader.extract({"model": "m", **case["payload"]})
        except ValueError:
            continue  # written for another API of the provider
        counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)
        found.append((int(counts[0] or 0), int(counts[1] or 0), int(counts[2] or 0)))
    return found


@pytest.mark.parametrize("case", cases(), ids=[case["name"] for case in cases()])
def test_input_and_output_agree_with_genai_prices_or_the_reason_is_listed(case: dict[str, Any]) -> None:
    usage = getattr(extract, case["extractor"])(case["payload"], request=case.get("request"))
    made, cached = (sum(getattr(usage, name) for name in names) for names in (COMPLETION_TOKENS, CACHE_READS))
    ours = (usage.total_tokens - made, made, cached)
    assert (ours in readings(case)) is (case["name"] not in DIFFERENT), (ours, readings(case))
