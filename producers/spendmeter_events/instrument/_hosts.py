"""Who sends the bill for the calls to a host, by its name."""

from __future__ import annotations

import re
from typing import Final

_DOMAINS: Final = {
    "openai.com": "openai",
    "anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gemini",
    "x.ai": "xai",
    "openrouter.ai": "openrouter",
    "mistral.ai": "mistral",
    "deepseek.com": "deepseek",
    "groq.com": "groq",
    "together.xyz": "together",
    "together.ai": "together",
    "cohere.ai": "cohere",
    "cohere.com": "cohere",
    "fireworks.ai": "fireworks",
    "perplexity.ai": "perplexity",
    "cerebras.ai": "cerebras",
    "moonshot.ai": "moonshotai",
    "moonshot.cn": "moonshotai",
    "z.ai": "zai",
    "bigmodel.cn": "zai",
    "voyageai.com": "voyageai",
    "ollama.com": "ollama",
    "aliyuncs.com": "alibaba",
    "minimax.io": "minimax",
    "minimaxi.com": "minimax",
    "deepinfra.com": "deepinfra",
    "novita.ai": "novita",
    "nebius.ai": "nebius",
    "nebius.com": "nebius",
    "sambanova.ai": "sambanova",
    "hyperbolic.xyz": "hyperbolic",
    "baseten.co": "baseten",
    "replicate.com": "replicate",
    "huggingface.co": "huggingface",
    "nvidia.com": "nvidia",
    "siliconflow.com": "siliconflow",
    "siliconflow.cn": "siliconflow",
    "ai21.com": "ai21",
    "jina.ai": "jina",
    "volces.com": "volcengine",
    "models.github.ai": "github",
    "githubcopilot.com": "github",
    "ai-gateway.vercel.sh": "vercel",
    "gateway.ai.cloudflare.com": "cloudflare",
}
"""Domain → provider, for the domain and the hosts in it."""
STREAM_USAGE: Final = frozenset(
    ("openai", "openrouter", "deepseek", "groq", "xai", "together", "fireworks", "cerebras", "moonshotai")
)
"""Providers whose chat streams accept `stream_options.include_usage`. Old API versions of Azure reject it."""
_PATTERNS: Final = (
    (re.compile(r"\.azure\.(com|us|cn)$"), "azure"),
    (re.compile(r"^bedrock-.*\.(amazonaws\.com|api\.aws)(\.cn)?$"), "bedrock"),
    (re.compile(r"(^|-)aiplatform\.googleapis\.com$"), "vertex"),
)
_LOCAL: Final = frozenset(("localhost", "127.0.0.1", "::1", "0.0.0.0", "host.docker.internal"))  # noqa: S104
_OLLAMA_PORT: Final = 11434


def provider_of_host(host: str, port: int | None) -> str:
    """Return the provider at this host; the host's own name if it is not known, so that no other provider's is used."""
    if host in _LOCAL and port == _OLLAMA_PORT:
        return "ollama"
    for pattern, name in _PATTERNS:
        if pattern.search(host):
            return name
    labels = host.split(".")
    domains = (".".join(labels[start:]) for start in range(len(labels)))
    return next((_DOMAINS[domain] for domain in domains if domain in _DOMAINS), host)
