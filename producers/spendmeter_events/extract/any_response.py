"""`usage_of(response)`: the usage of a response of any supported provider, recognised by its class and layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from spendmeter_events.extract._apis.anthropic import from_anthropic
from spendmeter_events.extract._apis.bedrock import from_bedrock
from spendmeter_events.extract._apis.compatible import (
    from_cohere,
    from_deepseek,
    from_mistral,
    from_ollama,
    from_openrouter,
    from_perplexity,
)
from spendmeter_events.extract._apis.gemini import from_gemini
from spendmeter_events.extract._apis.openai import from_openai
from spendmeter_events.extract._apis.xai import from_xai
from spendmeter_events.extract._sections.ai_sdk import METADATA
from spendmeter_events.extract._sections.payload import fields_of, is_stream, pick, text
from spendmeter_events.extract._spans.providers import provider_of
from spendmeter_events.extract.usage import Usage

_PACKAGES: Final[tuple[tuple[str, Callable[..., Usage]], ...]] = (
    ("anthropic.", from_anthropic),
    ("google.genai.", from_gemini),
    ("vertexai.", from_gemini),
    ("mistralai.", from_mistral),
    ("cohere.", from_cohere),
    ("ollama.", from_ollama),
    ("xai_sdk.", from_xai),
    ("openai.", from_openai),
)
"""Prefix of the module of an SDK's response classes, and the extractor."""


def usage_of(response: object, *, provider: str = "", request: Mapping[str, object] | None = None) -> Usage:
    """Return the usage of a response: an SDK object, decoded JSON, or a list of the chunks of a stream.

    Never raises: the usage of an unknown object has the state `missing`. Pass `provider` for
    services that are compatible with OpenAI; `request` supplies what some responses omit.
    """
    try:
        chunks = list(response) if is_stream(response) else None
        response, sample = (response, response) if chunks is None else (chunks, next(iter(chunks), None))
        usage = _extractor(sample, provider)(response, request=request)
        provider = provider or _named(sample)
        return replace(usage, provider=provider) if provider else usage
    except Exception:
        # Metering must not break the measured call.
        return Usage(provider=provider, state="missing")


def _extractor(sample: object, provider: str) -> Callable[..., Usage]:
    for kind in type(sample).__mro__:
        module = f"{kind.__module__}."
        for prefix, extractor in _PACKAGES:
            if module.startswith(prefix):
                return extractor
    if named := _named(sample):
        return _PROVIDERS.get(provider or named, from_openai)
    if provider in _PROVIDERS and not (provider == "vertex" and pick(sample, "type") == "message"):
        return _PROVIDERS[provider]
    return next((extractor for has_layout, extractor in _LAYOUTS if has_layout(sample)), from_openai)


def _named(sample: object) -> str:
    """Return the provider that a framework names: LangChain's messages, results of the Vercel AI SDK."""
    if name := text(pick(pick(sample, "response_metadata"), "model_provider")):
        return provider_of(name)
    metadata = fields_of(pick(sample, *METADATA))
    return next((provider_of(name) for name in metadata if name != "gateway"), "")


_PROVIDERS: Final[dict[str, Callable[..., Usage]]] = {
    "anthropic": from_anthropic,
    "bedrock": from_bedrock,
    "cohere": from_cohere,
    "deepseek": from_deepseek,
    "gemini": from_gemini,
    "mistral": from_mistral,
    "ollama": from_ollama,
    "openrouter": from_openrouter,
    "perplexity": from_perplexity,
    "vertex": from_gemini,
    "xai": from_xai,
}
_LAYOUTS: Final[tuple[tuple[Callable[[object], bool], Callable[..., Usage]], ...]] = (
    (lambda body: pick(body, "ResponseMetadata", "messageStart") is not None, from_bedrock),
    (lambda body: pick(body, "finishReason", "steps") is not None, from_openai),  # the Vercel AI SDK
    (lambda body: pick(pick(body, "usage"), "inputTokens") is not None, from_bedrock),
    (lambda body: pick(body, "modelOutput") is not None, from_bedrock),
    (lambda body: pick(body, "usageMetadata", "candidates") is not None, from_gemini),
    (lambda body: pick(pick(body, "response"), "usageMetadata") is not None, from_gemini),
    (lambda body: pick(pick(body, "usage_metadata"), "prompt_token_count") is not None, from_gemini),
    (lambda body: pick(body, "type") in ("message", "message_start"), from_anthropic),
    (lambda body: pick(pick(body, "result"), "message") is not None, from_anthropic),
    (lambda body: pick(pick(body, "meta") or pick(body, "usage"), "billed_units") is not None, from_cohere),
    (lambda body: pick(body, "prompt_eval_count", "eval_count") is not None, from_ollama),
    (lambda body: pick(pick(body, "usage"), "cost_details") is not None, from_openrouter),
)
"""Fields that only one provider's responses have. All others have the layout of OpenAI."""
