"""Anthropic's Messages API: input excludes cached tokens, output includes thinking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from spendmeter_events.extract._apis.dialect import FINISHED, Dialect, Merged, Request, extract
from spendmeter_events.extract._apis.openai import identity
from spendmeter_events.extract._sections.outcome import error_type
from spendmeter_events.extract._sections.payload import fields_of, items, pick, text, tier
from spendmeter_events.extract._sections.tally import Tally, part
from spendmeter_events.extract._sections.tokens import (
    CACHED,
    LONG,
    REASONING,
    SHORT,
    WRITTEN,
    has_openai_layout,
    usage_of,
)
from spendmeter_events.extract._sections.tokens import tokens as openai_tokens
from spendmeter_events.extract._sections.tools import tool_tag
from spendmeter_events.extract.usage import State, Usage

_ADDITIVE: Final = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
)


def from_anthropic(
    response: object, *, request: Request | None = None, provider: str = "anthropic", strict: bool = False
) -> Usage:
    """Return the usage of a message, the events of its stream, or a batch result line.

    LangChain's `usage_metadata` is read too. With `strict`, raises `InconsistentUsage`.
    """
    return extract(ANTHROPIC, response, request=request, provider=provider, strict=strict)


def read(payload: object, request: Request, provider: str) -> Usage:
    """Return the usage of a complete message."""
    result, response = pick(payload, "result"), pick(payload, "response")
    message = pick(result, "message") or (payload if pick(response, "usage") is None else response)
    tally, usage = Tally(), usage_of(message)
    fields = identity(message, request) | {"region": _region(usage)}
    if pick(usage, "speed") == "fast":
        fields["service_tier"] = "fast"
    elif pick(usage, "service_tier"):
        fields["service_tier"] = tier(pick(usage, "service_tier"))
    if message is response:  # a line of a batch on Vertex AI
        fields["service_tier"] = "batch"
    if (failed := _batch_failure(result)) is not None:
        # Failed requests of a batch are not billed.
        return tally.usage(None, provider=provider, **fields | failed)
    counts = openai_tokens(tally, usage) if has_openai_layout(usage) else tokens(tally, usage)
    state: State = "complete" if {"input_tokens", "output_tokens"} <= counts.keys() else "missing"
    for iteration in items(usage, "iterations"):
        kind = pick(iteration, "type")
        if kind == "compaction":
            # Compaction is billed at the same model's rates, and the counts above do not include it.
            extra = tokens(tally, iteration)
            counts |= {name: counts.get(name, 0) + extra.get(name, 0) for name in _ADDITIVE}
        elif kind == "advisor_message":
            state = "incomplete"
    tally.skip(usage, "iterations")
    if _runs_code(items(message, "content")):
        tally.flag("code_execution")
    return tally.usage(usage, provider=provider, state=state, **fields, **counts, **_searches(tally, usage))


def _searches(tally: Tally, usage: object) -> dict[str, Any]:
    tools = pick(usage, "server_tool_use")
    tally.skip(tools, "web_fetch_requests")  # free of charge
    searches = tally.count(tools, "web_search_requests")
    return {"tool_calls": searches, "tags": tool_tag({"web_search": searches})} if searches else {}


def _runs_code(content: Sequence[object]) -> bool:
    """Return whether code was executed in a container, which is billed by the hour, and is free with web tools."""
    names = {text(pick(block, "name")) for block in content if pick(block, "type") == "server_tool_use"}
    return any(name.endswith("code_execution") for name in names) and names.isdisjoint(("web_search", "web_fetch"))


def _batch_failure(result: object) -> dict[str, Any] | None:
    kind = text(pick(result, "type"))
    if kind not in ("errored", "canceled", "expired"):
        return None
    error = pick(result, "error")
    status = "cancelled" if kind == "canceled" else "error"
    code = error_type(pick(error, "error") or error) if error else kind
    return {"service_tier": "batch", "status": status, "error_type": code}


def fold(merged: Merged, event: object) -> None:
    """Merge an event: `message_start` has the input counts, `message_delta` running totals (the last one counts)."""
    kind = pick(event, "type")
    message = pick(event, "message")
    if kind == "message_start" and message is not None:
        merged |= {name: pick(message, name) for name in ("id", "model")}
        merged["usage"] = _known(pick(message, "usage"))
    elif kind == "content_block_start":
        block = pick(event, "content_block")
        if pick(block, "type") == "server_tool_use":
            merged.setdefault("content", []).append({"type": "server_tool_use", "name": pick(block, "name")})
    elif kind == "message_delta":
        merged.setdefault("usage", {}).update(_known(pick(event, "usage")))
        if pick(pick(event, "delta"), "stop_reason"):
            merged[FINISHED] = True
    elif kind == "message_stop":
        merged[FINISHED] = True
    elif kind == "error":
        merged |= {"status": "failed", "error": {"code": error_type(pick(event, "error"))}}


def has_output(event: object) -> bool:
    """Return whether the event carries output."""
    return bool(pick(event, "type") == "content_block_delta")


def tokens(tally: Tally, usage: object) -> dict[str, int]:
    """Return the token buckets of a usage section; a side that is not reported is absent."""
    lifetimes = part(usage, "cache_creation")
    short, long = tally.writes(
        tally.count(usage, *WRITTEN),
        tally.first((lifetimes, SHORT), (usage, SHORT)),
        tally.first((lifetimes, LONG), (usage, LONG)),
    )
    counts: dict[str, int] = {}
    uncached = tally.count(usage, "input_tokens")
    tally.skip(usage, "total_tokens")  # added by gateways, with or without cached tokens
    if uncached is not None:
        counts |= {
            "input_tokens": uncached,
            "cache_read_tokens": tally.count(usage, *CACHED) or 0,
            "cache_write_5m_tokens": short,
            "cache_write_1h_tokens": long,
        }
    output = tally.count(usage, "output_tokens")
    if output is not None:
        thinking = tally.count(part(usage, "output_tokens_details"), *REASONING)
        side = tally.output_side(output, reasoning=thinking)
        counts |= {name: side[name] for name in ("output_tokens", "reasoning_tokens") if name in side}
    return counts


def _region(usage: object) -> str:
    place = text(pick(usage, "inference_geo"), 64).lower()
    return "" if place == "not_available" else place


def _known(usage: object) -> dict[str, Any]:
    return {name: value for name in fields_of(usage) if (value := pick(usage, name)) is not None}


ANTHROPIC = Dialect(provider="anthropic", read=read, fold=fold, has_output=has_output)
