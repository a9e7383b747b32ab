"""xAI (Grok): OpenAI's format, but the output of chat completions excludes reasoning, and the cost is in ticks."""

from __future__ import annotations

from typing import Any, Final

from spendmeter_events.extract._apis.dialect import Dialect, Request, extract
from spendmeter_events.extract._apis.openai import build_usage, identity, unwrap
from spendmeter_events.extract._apis.openai_stream import fold, has_output
from spendmeter_events.extract._sections.payload import pick
from spendmeter_events.extract._sections.tally import Tally
from spendmeter_events.extract._sections.tokens import tokens, usage_of
from spendmeter_events.extract._sections.tools import images_and_tools, tool_tag
from spendmeter_events.extract.usage import COST_SOURCE_TAG, Usage

TICKS_PER_USD: Final = 10**10


def from_xai(response: object, *, request: Request | None = None, strict: bool = False) -> Usage:
    """Return the usage of an xAI response: chat completions, responses, images, or an object of the xai-sdk.

    With `strict`, raises `InconsistentUsage`.
    """
    return extract(XAI, response, request=request, strict=strict)


def read(payload: object, request: Request, provider: str) -> Usage:
    """Return the usage of a complete payload."""
    body, fields = unwrap(payload)
    fields = identity(body, request) | fields
    tally = Tally()
    usage = usage_of(body)
    fields |= images_and_tools(tally, body, request)
    # Only the chat API excludes reasoning from the output; it is the one with `completion_tokens`.
    fields |= tokens(tally, usage, reasoning_outside=pick(usage, "completion_tokens") is not None)
    tally.skip(usage, "prompt_text_tokens")
    fields |= _server_tools(tally, usage, fields)
    ticks = tally.count(usage, "cost_in_usd_ticks")
    if ticks is not None:
        fields["provider_cost_usd"] = ticks / TICKS_PER_USD
        fields["tags"] = {**fields["tags"], COST_SOURCE_TAG: "usage.cost_in_usd_ticks"}
    return build_usage(tally, usage, fields, provider)


def _server_tools(tally: Tally, usage: object, fields: dict[str, Any]) -> dict[str, Any]:
    details = pick(usage, "server_side_tool_usage_details")
    tools = {
        name.removesuffix("_calls"): count
        for name in _BILLED_TOOLS
        if (count := tally.count(details, name)) is not None and count > 0
    }
    tally.skip(details, "mcp_calls")  # billed as tokens only
    used = tally.count(usage, "num_server_side_tools_used")
    calls = sum(tools.values()) or used
    if sources := tally.count(usage, "num_sources_used"):
        # Live Search is billed per source, not per call.
        tools, calls = {**tools, "live_search": sources}, (calls or 0) + sources
    if not calls:
        return {}
    return {"tool_calls": calls, "tags": {**fields["tags"], **tool_tag(tools or {"server_side": calls})}}


_BILLED_TOOLS: Final = (
    "web_search_calls",
    "x_search_calls",
    "code_interpreter_calls",
    "file_search_calls",
    "document_search_calls",
)

XAI = Dialect(provider="xai", read=read, fold=fold, has_output=has_output)
