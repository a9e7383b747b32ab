"""OpenAI-compatible services with extensions: OpenRouter, Mistral, DeepSeek, Perplexity, Cohere, Ollama."""

from __future__ import annotations

from typing import Any, Final

from spendmeter_events.extract._apis.dialect import FINISHED, Dialect, Merged, Request, extract
from spendmeter_events.extract._apis.openai import OPENAI, build_usage, identity, unwrap
from spendmeter_events.extract._apis.openai import read as read_openai
from spendmeter_events.extract._apis.openai_stream import fold, has_output
from spendmeter_events.extract._sections.costs import reported_cost
from spendmeter_events.extract._sections.payload import fields_of, pick, text
from spendmeter_events.extract._sections.tally import Tally
from spendmeter_events.extract._sections.tokens import tokens, usage_of
from spendmeter_events.extract._sections.tools import images_and_tools, tool_tag
from spendmeter_events.extract.usage import Usage


def from_openrouter(response: object, *, request: Request | None = None, strict: bool = False) -> Usage:
    """Return the usage of an OpenRouter response; `provider_cost_usd` includes the upstream's charge.

    With `strict`, raises `InconsistentUsage`.
    """
    return extract(OPENROUTER, response, request=request, strict=strict)


def from_mistral(response: object, *, request: Request | None = None, strict: bool = False) -> Usage:
    """Return the usage of a Mistral response: chat, embeddings, transcription.

    With `strict`, raises `InconsistentUsage`.
    """
    return extract(MISTRAL, response, request=request, strict=strict)


def from_deepseek(response: object, *, request: Request | None = None, strict: bool = False) -> Usage:
    """Return the usage of a DeepSeek response. With `strict`, raises `InconsistentUsage`."""
    return extract(DEEPSEEK, response, request=request, strict=strict)


def from_perplexity(response: object, *, request: Request | None = None, strict: bool = False) -> Usage:
    """Return the usage of a Perplexity response; its fee per request counts as a tool call.

    With `strict`, raises `InconsistentUsage`.
    """
    return extract(PERPLEXITY, response, request=request, strict=strict)


def from_cohere(response: object, *, request: Request | None = None, strict: bool = False) -> Usage:
    """Return the usage of a Cohere response (v1 or v2): chat, embeddings, reranking, by its billed units.

    With `strict`, raises `InconsistentUsage`.
    """
    return extract(COHERE, response, request=request, strict=strict)


def from_ollama(response: object, *, request: Request | None = None, strict: bool = False) -> Usage:
    """Return the usage of a response of Ollama's own API: chat, generate, embed, or the chunks of their streams.

    With `strict`, raises `InconsistentUsage`.
    """
    return extract(OPENAI, response, request=request, provider="ollama", strict=strict)


def _read_openrouter(payload: object, request: Request, provider: str) -> Usage:
    body, fields = unwrap(_generation(payload) or payload)
    tally, fields, usage = Tally(), identity(body, request) | fields, usage_of(body)
    fields |= images_and_tools(tally, body, request) | tokens(tally, usage)
    tools = pick(usage, "server_tool_use")
    tally.skip(tools, "tool_calls_requested", "tool_calls_executed")  # the caller's own functions
    if upstream := text(pick(body, "provider")):
        fields["tags"]["upstream"] = upstream
    fields |= reported_cost(tally, body, usage, fields)
    return build_usage(tally, usage, fields, provider)


def _generation(payload: object) -> dict[str, Any] | None:
    """Return the answer of `GET /generation` as a chat completion: native counts are those that are billed."""
    data = pick(payload, "data")
    if pick(data, "native_tokens_prompt") is None:
        return None
    usage = {
        "prompt_tokens": pick(data, "native_tokens_prompt"),
        "completion_tokens": pick(data, "native_tokens_completion"),
        "prompt_tokens_details": {"cached_tokens": pick(data, "native_tokens_cached")},
        "completion_tokens_details": {
            "reasoning_tokens": pick(data, "native_tokens_reasoning"),
            "image_tokens": pick(data, "native_tokens_completion_images"),
        },
        "cost": pick(data, "total_cost"),
        "is_byok": pick(data, "is_byok"),
        "cost_details": {"upstream_inference_cost": pick(data, "upstream_inference_cost")},
        "num_search_results": pick(data, "num_search_results"),  # a fee without a rate
    }
    named = {"id": pick(data, "id"), "model": pick(data, "model"), "provider": pick(data, "provider_name")}
    return {**named, "usage": usage, "status": "cancelled" if pick(data, "cancelled") is True else None}


def _fold_cohere(merged: Merged, chunk: object) -> None:
    """Merge an event of API v1 (`stream-end` has the response) or v2 (`message-end` has the usage)."""
    kind = pick(chunk, "type", "event_type")
    end = pick(chunk, "delta", "response")
    merged |= {name: value for name in ("id", "generation_id") if (value := pick(chunk, name)) is not None}
    if kind in ("message-end", "stream-end"):
        merged |= {name: value for name in ("usage", "meta") if (value := pick(end, name)) is not None}
        merged[FINISHED] = True
        if str(pick(end, "finish_reason") or pick(chunk, "finish_reason")).startswith("ERROR"):
            merged |= {"status": "failed", "error": {"code": "failed"}}


def _has_cohere_output(chunk: object) -> bool:
    return pick(chunk, "type", "event_type") in ("content-delta", "text-generation", "tool-call-delta")


def _read_perplexity(body: object, request: Request, provider: str) -> Usage:
    tally, fields, usage = Tally(), identity(body, request), usage_of(body)
    # Deep research bills reasoning and citations separately, at other rates: they stay unread.
    fields |= {"tags": {}, **tokens(tally, _sides(usage))}
    tally.skip(usage, *_SIDES)
    size = text(pick(usage, "search_context_size"), 16).lower()
    searches = tally.count(usage, "num_search_queries") or (1 if size else 0)
    if searches:
        fields |= {"tool_calls": searches, "tags": tool_tag({f"search_{size}" if size else "search_query": searches})}
    fields |= reported_cost(tally, body, usage, fields)
    return build_usage(tally, usage, fields, provider)


_SIDES: Final = ("prompt_tokens", "completion_tokens", "total_tokens")


def _sides(usage: object) -> dict[str, Any]:
    return {name: value for name in _SIDES if (value := pick(usage, name)) is not None}


def _read_mistral(payload: object, request: Request, provider: str) -> Usage:
    body, fields = unwrap(payload)
    tally, fields, usage = Tally(), identity(body, request) | fields, usage_of(body)
    fields |= images_and_tools(tally, body, request)
    if pages := tally.count(pick(body, "usage_info"), "pages_processed"):
        return build_usage(tally, None, fields | {"tool_calls": pages, "tags": tool_tag({"ocr_page": pages})}, provider)
    connectors = pick(usage, "connectors")
    tools = {name: count for name in fields_of(connectors) if (count := tally.count(connectors, name))}
    if tools:
        # Connectors read tokens too; at which rate they are billed is not published, so these stay unread.
        fields |= {"tool_calls": sum(tools.values()), "tags": fields["tags"] | tool_tag(tools)}
    seconds = tally.seconds(usage, "prompt_audio_seconds")
    if seconds:
        # The total counts audio as tokens too, although it is billed per second.
        fields |= {"audio_seconds": seconds, **tokens(tally, usage, ignore_total=True)}
    else:
        fields |= tokens(tally, usage, ignore_total=pick(usage, "connector_tokens") is not None)
    return build_usage(tally, usage, fields, provider)


OPENROUTER = Dialect(provider="openrouter", read=_read_openrouter, fold=fold, has_output=has_output)
MISTRAL = Dialect(provider="mistral", read=_read_mistral, fold=fold, has_output=has_output)
COHERE = Dialect(provider="cohere", read=read_openai, fold=_fold_cohere, has_output=_has_cohere_output)
PERPLEXITY = Dialect(provider="perplexity", read=_read_perplexity, fold=fold, has_output=has_output)
DEEPSEEK = Dialect(provider="deepseek", read=read_openai, fold=fold, has_output=has_output)
