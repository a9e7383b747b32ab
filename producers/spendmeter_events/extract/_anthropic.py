"""Anthropic's Messages API: input excludes cached tokens, output includes thinking."""

from __future__ import annotations

from typing import Any, Final

from spendmeter_events.extract._dialect import FINISHED, Dialect, Merged, Request, extract
from spendmeter_events.extract._openai_tools import tool_tag
from spendmeter_events.extract._payload import items, pick, text, tier
from spendmeter_events.extract._tally import Tally
from spendmeter_events.extract.usage import State, Usage

_ADDITIVE: Final = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
)


def from_anthropic(response: object, *, request: Request | None = None, provider: str = "anthropic") -> Usage:
    """Return the usage of a message, the events of its stream, or a batch result line. Raises `InconsistentUsage`."""
    return extract(ANTHROPIC, response, request=request, provider=provider)


def read(payload: object, request: Request, provider: str) -> Usage:
    """Return the usage of a complete message."""
    message = pick(pick(payload, "result"), "message") or payload
    tally, usage = Tally(), pick(message, "usage")
    fields: dict[str, Any] = {
        "model": text(pick(message, "model")) or text(pick(request, "model")),
        "request_id": text(pick(message, "id")),
        "service_tier": "fast" if pick(usage, "speed") == "fast" else tier(pick(usage, "service_tier")),
        "region": _region(usage),
    }
    counts = tokens(tally, usage)
    state: State = "complete" if {"input_tokens", "output_tokens"} <= counts.keys() else "missing"
    for iteration in items(usage, "iterations"):
        kind = pick(iteration, "type")
        if kind == "compaction":
            # Compaction is billed at the same model's rates, and the counts above do not include it.
            extra = tokens(tally, iteration)
            counts |= {name: counts.get(name, 0) + extra.get(name, 0) for name in _ADDITIVE}
        elif kind == "advisor_message":
            state = "incomplete"
    searches = tally.count(pick(usage, "server_tool_use"), "web_search_requests")
    if searches:
        fields |= {"tool_calls": searches, "tags": tool_tag({"web_search": searches})}
    return tally.usage(usage, provider=provider, state=state, **fields, **counts)


def fold(merged: Merged, event: object) -> None:
    """Merge an event. `message_start` carries the input counts, `message_delta` running totals: the last wins."""
    kind = pick(event, "type")
    message = pick(event, "message")
    if kind == "message_start" and message is not None:
        merged |= {name: pick(message, name) for name in ("id", "model")}
        merged["usage"] = _known(pick(message, "usage"))
    elif kind == "message_delta":
        merged.setdefault("usage", {}).update(_known(pick(event, "usage")))
        if pick(pick(event, "delta"), "stop_reason"):
            merged[FINISHED] = True
    elif kind == "message_stop":
        merged[FINISHED] = True


def has_output(event: object) -> bool:
    """Return whether the event carries output."""
    return bool(pick(event, "type") == "content_block_delta")


def tokens(tally: Tally, usage: object) -> dict[str, int]:
    """Return the token buckets of a usage section; the sides that are not reported are absent."""
    lifetimes = pick(usage, "cache_creation")
    short, long = tally.writes(
        tally.count(usage, "cache_creation_input_tokens"),
        tally.count(lifetimes, "ephemeral_5m_input_tokens"),
        tally.count(lifetimes, "ephemeral_1h_input_tokens"),
    )
    counts: dict[str, int] = {}
    uncached = tally.count(usage, "input_tokens")
    if uncached is not None:
        counts |= {
            "input_tokens": uncached,
            "cache_read_tokens": tally.count(usage, "cache_read_input_tokens") or 0,
            "cache_write_5m_tokens": short,
            "cache_write_1h_tokens": long,
        }
    output = tally.count(usage, "output_tokens")
    if output is not None:
        thinking = tally.count(pick(usage, "output_tokens_details"), "thinking_tokens")
        side = tally.output_side(output, reasoning=thinking)
        counts |= {name: side[name] for name in ("output_tokens", "reasoning_tokens") if name in side}
    return counts


def _region(usage: object) -> str:
    place = text(pick(usage, "inference_geo"), 64).lower()
    return "" if place == "not_available" else place


_USAGE_NAMES: Final = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "cache_creation",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
    "service_tier",
    "inference_geo",
    "speed",
    "iterations",
)


def _known(usage: object) -> dict[str, Any]:
    return {name: value for name in _USAGE_NAMES if (value := pick(usage, name)) is not None}


ANTHROPIC = Dialect(provider="anthropic", read=read, fold=fold, has_output=has_output)
