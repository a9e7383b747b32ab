"""Spellings of providers in gateways and logs, in events and in rows of the price topic."""

from __future__ import annotations

import pytest

from spendmeter_stream.pricing import PriceBookError
from tests.support.pricing import Call, packaged_book, price

SPELLINGS = {
    "fireworks": ("fireworks_ai", "fireworks-ai", "Fireworks.ai"),
    "moonshotai": ("moonshot", "moonshot-ai", "kimi"),
    "voyageai": ("voyage", "voyage_ai", "voyage-ai"),
    "zai": ("z-ai", "z.ai", "zai-org"),
    "perplexity": ("perplexity-ai", "pplx", "perplexity_ai"),
    "cerebras": ("cerebras-ai", "cerebras.ai"),
    "mistral": ("mistralai", "mistral_ai", "codestral"),
    "together": ("together_ai", "togetherai", "together.ai"),
    "cohere": ("cohere_chat", "cohere-ai"),
    "xai": ("x-ai", "x_ai", "xai.chat"),
    "openai": ("openai.responses", "openai.chat", "text-completion-openai"),
    "anthropic": ("anthropic.messages", "claude"),
    "azure": ("azure_ai", "azure-openai.chat", "azure.ai.inference"),
    "bedrock": ("amazon-bedrock", "bedrock_converse", "aws.bedrock"),
    "google": ("google.generative-ai", "gemini", "google_genai"),
    "vertex": ("vertex_ai", "vertex_ai_beta", "google-vertex"),
    "openrouter": ("open-router", "openrouter.ai"),
    "deepseek": ("deepseek-ai", "deep_seek"),
}


@pytest.mark.parametrize(("name", "spelling"), [(name, each) for name, many in SPELLINGS.items() for each in many])
def test_a_provider_is_known_by_every_spelling(name: str, spelling: str) -> None:
    assert packaged_book().provider_name(spelling) == name


@pytest.mark.parametrize("spelling", ["fireworks_ai", "moonshot", "voyage", "z-ai", "perplexity-ai", "Vertex AI"])
def test_a_row_may_spell_its_provider_as_gateways_do(spelling: str) -> None:
    row = {
        "provider": spelling,
        "models": ["a-new-model"],
        "from": "beginning",
        "per_million": {"input_tokens": "7"},
        "source": "here",
        "verified_at": "2026-11-26",
    }
    book = packaged_book().with_rows([row])

    assert price(book, Call(spelling, "a-new-model", {"input_tokens": 1_000_000}))["cost"] == 7


def test_a_misspelt_provider_is_still_refused() -> None:
    row = {"provider": "opanai", "models": ["m"], "from": "beginning", "source": "s", "verified_at": "2026-11-26"}

    with pytest.raises(PriceBookError, match="did you mean 'openai'"):
        packaged_book().with_rows([{**row, "per_million": {"input_tokens": "7"}}])


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("fireworks_ai", "fireworks_ai/accounts/fireworks/models/llama-v3p1-8b-instruct"),
        ("together_ai", "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("bedrock", "amazon.nova-2-lite"),
        ("azure", "gpt-35-turbo-0125"),
        ("openai", "ft:gpt-4.1-2025-04-14:acme::abc"),
        ("vertex_ai", "text-embedding-005"),
        ("moonshot", "kimi-latest"),
        ("openrouter", "openrouter/openai/gpt-4o"),
        ("novita", "novita/deepseek/deepseek-v3.2"),
        ("deepinfra", "Qwen/QwQ-32B"),
        ("bedrock", "bedrock/ap-south-1/minimax.minimax-m2.1"),
    ],
)
def test_a_model_is_priced_as_logs_spell_it(provider: str, model: str) -> None:
    assert price(packaged_book(), Call(provider, model, {"input_tokens": 1_000}))["pricing_status"] == "priced"


def test_a_region_of_an_event_finds_the_row_that_spells_it_in_the_model() -> None:
    named = Call("bedrock", "ap-south-1/minimax.minimax-m2.1", {"input_tokens": 1_000_000})
    plain = Call("bedrock", "minimax.minimax-m2.1", {"input_tokens": 1_000_000}, region="ap-south-1")

    assert price(packaged_book(), named)["cost"] == price(packaged_book(), plain)["cost"] > 0
