"""OpenAI-compatible services with extensions: OpenRouter, Mistral, DeepSeek."""

from __future__ import annotations

from typing import Any

from spendmeter_events.extract._dialect import Dialect, Request, extract
from spendmeter_events.extract._openai import build_usage, identity, tokens
from spendmeter_events.extract._openai_stream import fold, has_output
from spendmeter_events.extract._openai_tools import images_and_tools, tool_tag
from spendmeter_events.extract._payload import pick, text
from spendmeter_events.extract._tally import Tally
from spendmeter_events.extract.usage import Usage


def from_openrouter(response: object, *, request: Request | None = None) -> Usage:
    """Return the usage of an OpenRouter response; `provider_cost_usd` is the charge including the upstream's part.

    Raises `InconsistentUsage`.
    """
    return extract(OPENROUTER, response, request=request)


def from_mistral(response: object, *, request: Request | None = None) -> Usage:
    """Return the usage of a Mistral response: chat, embeddings, transcription. Raises `InconsistentUsage`."""
    return extract(MISTRAL, response, request=request)


def from_deepseek(response: object, *, request: Request | None = None) -> Usage:
    """Return the usage of a DeepSeek response. Raises `InconsistentUsage`."""
    return extract(DEEPSEEK, response, request=request)


def _read_openrouter(body: object, request: Request, provider: str) -> Usage:
    tally, fields, usage = Tally(), identity(body, request), pick(body, "usage")
    fields |= images_and_tools(tally, body, request) | tokens(tally, usage)
    searches = tally.count(pick(usage, "server_tool_use"), "web_search_requests")
    if searches:
        fields["tool_calls"] = searches
        fields["tags"] |= tool_tag({"web_search": searches})
    if upstream := text(pick(body, "provider")):
        fields["tags"]["upstream"] = upstream
    cost = tally.usd(usage, "cost")
    if cost is not None:
        # With the caller's own key, `cost` is only OpenRouter's fee; the upstream bills the caller directly.
        own_key = pick(usage, "is_byok") is True
        inference = tally.usd(pick(usage, "cost_details"), "upstream_inference_cost") if own_key else 0.0
        fields["provider_cost_usd"] = cost + (inference or 0.0)
    return build_usage(tally, usage, fields, provider)


def _read_mistral(body: object, request: Request, provider: str) -> Usage:
    tally, fields, usage = Tally(), identity(body, request), pick(body, "usage")
    fields |= images_and_tools(tally, body, request)
    seconds = tally.seconds(usage, "prompt_audio_seconds")
    if seconds:
        fields |= {"audio_seconds": seconds, **tokens(tally, _without_total(usage))}
    else:
        fields |= tokens(tally, usage)
    return build_usage(tally, usage, fields, provider)


def _without_total(usage: object) -> dict[str, Any]:
    """Return the usage without its total, which counts audio as tokens, although audio is billed per second."""
    names = ("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details")
    return {name: value for name in names if (value := pick(usage, name)) is not None}


def _read_deepseek(body: object, request: Request, provider: str) -> Usage:
    tally, fields, usage = Tally(), identity(body, request), pick(body, "usage")
    fields["tags"] = {}
    hit, miss = (tally.count(usage, f"prompt_cache_{kind}_tokens") for kind in ("hit", "miss"))
    buckets = tokens(tally, usage)
    if hit is not None and miss is not None:
        buckets |= {"input_tokens": miss, "cache_read_tokens": hit}
        if tally.count(usage, "prompt_tokens") not in (None, hit + miss):
            tally.faults.append("cache hits and misses do not add up to prompt_tokens")
            del buckets["input_tokens"], buckets["cache_read_tokens"]
    return build_usage(tally, usage, fields | buckets, provider)


OPENROUTER = Dialect(provider="openrouter", read=_read_openrouter, fold=fold, has_output=has_output)
MISTRAL = Dialect(provider="mistral", read=_read_mistral, fold=fold, has_output=has_output)
DEEPSEEK = Dialect(provider="deepseek", read=_read_deepseek, fold=fold, has_output=has_output)
