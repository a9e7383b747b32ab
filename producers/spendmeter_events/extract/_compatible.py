"""Services that speak OpenAI's shape with words of their own: OpenRouter, Mistral, DeepSeek."""

from __future__ import annotations

from typing import Any

from spendmeter_events.extract._dialect import Dialect, Request, extract
from spendmeter_events.extract._openai import identity, settle, tokens
from spendmeter_events.extract._openai_stream import fold, speaks
from spendmeter_events.extract._openai_tools import images_and_tools, tool_tag
from spendmeter_events.extract._payload import pick, text
from spendmeter_events.extract._tally import Tally
from spendmeter_events.extract.usage import Usage


def from_openrouter(response: object, *, request: Request | None = None) -> Usage:
    """Usage of an OpenRouter response; `provider_cost_usd` is what it charged, upstream's part included.

    Raises `InconsistentUsage`.
    """
    return extract(OPENROUTER, response, request=request)


def from_mistral(response: object, *, request: Request | None = None) -> Usage:
    """Usage of a Mistral response: chat, embeddings, transcription. Raises `InconsistentUsage`."""
    return extract(MISTRAL, response, request=request)


def from_deepseek(response: object, *, request: Request | None = None) -> Usage:
    """Usage of a DeepSeek response. Raises `InconsistentUsage`."""
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
        # With the caller's own key `cost` is only the fee; the provider bills the rest to the caller.
        own_key = pick(usage, "is_byok") is True
        inference = tally.usd(pick(usage, "cost_details"), "upstream_inference_cost") if own_key else 0.0
        fields["provider_cost_usd"] = cost + (inference or 0.0)
    return settle(tally, usage, fields, provider)


def _read_mistral(body: object, request: Request, provider: str) -> Usage:
    tally, fields, usage = Tally(), identity(body, request), pick(body, "usage")
    fields |= images_and_tools(tally, body, request)
    seconds = tally.seconds(usage, "prompt_audio_seconds")
    if seconds:
        fields |= {"audio_seconds": seconds, **tokens(tally, _without_total(usage))}
    else:
        fields |= tokens(tally, usage)
    return settle(tally, usage, fields, provider)


def _without_total(usage: object) -> dict[str, Any]:
    """Mistral's total also counts the audio as tokens; the audio is billed by the second."""
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
            tally.faults.append("cache hits and misses are not the prompt")
            del buckets["input_tokens"], buckets["cache_read_tokens"]
    return settle(tally, usage, fields | buckets, provider)


OPENROUTER = Dialect(provider="openrouter", read=_read_openrouter, fold=fold, speaks=speaks)
MISTRAL = Dialect(provider="mistral", read=_read_mistral, fold=fold, speaks=speaks)
DEEPSEEK = Dialect(provider="deepseek", read=_read_deepseek, fold=fold, speaks=speaks)
