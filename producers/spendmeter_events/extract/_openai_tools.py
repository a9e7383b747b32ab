"""Images made and tools run by the provider, as OpenAI's payloads tell them."""

from __future__ import annotations

from typing import Any, Final

from spendmeter_events.extract._payload import items, pick, text
from spendmeter_events.extract._tally import Tally

_BILLED_BY_CALL: Final = {"web_search_call": "web_search", "file_search_call": "file_search"}
"""Output items of the Responses API that have a price per call. Code interpreter is billed by container."""


def images_and_tools(tally: Tally, body: object, request: object) -> dict[str, Any]:
    """`images`, `tool_calls` and the tags that choose their rates; empty for a plain text response."""
    made = sum(pick(image, "b64_json", "url") is not None for image in items(body, "data"))
    drawn = sum(pick(item, "type") == "image_generation_call" for item in items(body, "output"))
    tools = {name: count for name, count in _tools(tally, body).items() if count}
    fields: dict[str, Any] = {"tags": {**_look(body, request, made), **tool_tag(tools)}}
    if made or drawn:
        fields["images"] = made + drawn
    if tools:
        fields["tool_calls"] = sum(tools.values())
    return fields


def tool_tag(tools: dict[str, int]) -> dict[str, str]:
    """The tag `tool` names the one tool whose rate applies; `mixed` has no rate, so that nobody guesses."""
    if not tools:
        return {}
    return {"tool": next(iter(tools)) if len(tools) == 1 else "mixed"}


def _tools(tally: Tally, body: object) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items(body, "output"):
        name = _BILLED_BY_CALL.get(text(pick(item, "type")))
        # Opening a page or searching within it is an action of the same tool, and free.
        if name and pick(pick(item, "action"), "type") in (None, "search"):
            counts[name] = counts.get(name, 0) + 1
    billed = tally.count(pick(pick(body, "tool_usage"), "web_search"), "num_requests")
    if billed is not None:
        counts["web_search"] = billed
    return counts


def _look(body: object, request: object, made: int) -> dict[str, str]:
    """Size and quality decide an image's price; as made, else as asked."""
    if not made:
        return {}
    told = {name: text(pick(body, name)) or text(pick(request, name)) for name in ("size", "quality")}
    return {f"image_{name}": value for name, value in told.items() if value}
