"""Names of providers in spans, gateways and SDKs: `openai.responses`, `aws.bedrock`, `google_genai`."""

from __future__ import annotations

import re
from typing import Final

_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")

_NAMES: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "claude": "anthropic",
    "aws": "bedrock",
    "amazon": "bedrock",
    "bedrock": "bedrock",
    "azure": "azure",
    "az.ai": "azure",
    "foundry": "azure",
    "vertex": "vertex",
    "vertexai": "vertex",
    "gcp.vertex": "vertex",
    "google.vertex": "vertex",
    "google.vertexai": "vertex",
    "gemini": "gemini",
    "google": "gemini",
    "gcp": "gemini",
    "genai": "gemini",
    "mistral": "mistral",
    "mistralai": "mistral",
    "xai": "xai",
    "x.ai": "xai",
    "grok": "xai",
    "deepseek": "deepseek",
    "groq": "groq",
    "cohere": "cohere",
    "together": "together",
    "togetherai": "together",
    "fireworks": "fireworks",
    "perplexity": "perplexity",
    "cerebras": "cerebras",
    "moonshot": "moonshotai",
    "moonshotai": "moonshotai",
    "voyage": "voyageai",
    "voyageai": "voyageai",
    "openrouter": "openrouter",
    "ollama": "ollama",
    "zai": "zai",
    "z.ai": "zai",
    "zhipu": "zai",
    "zhipuai": "zai",
}
"""The leading words of a name, joined with dots → provider."""
_SURFACE: Final = re.compile(
    r"\.(chat|responses?|messages?|completions?|embeddings?|images?|speech|transcription|generative-ai)$"
)


def provider_of(name: str) -> str:
    """Return the provider's name without the API's, in the spelling of the extractors; unknown names in lower case."""
    lower = name.strip().lower()
    words = _SEPARATORS.sub(".", lower).strip(".").split(".")
    for length in range(len(words), 0, -1):
        found = _NAMES.get(".".join(words[:length]))
        if found is not None:
            return found
    return _SURFACE.sub("", lower)
