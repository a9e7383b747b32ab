"""Images generated and tools run by the provider, as reported in OpenAI's payloads."""

from __future__ import annotations

from typing import Any, Final

from spendmeter_events.extract._payload import items, pick, text
from spendmeter_events.extract._tally import Tally

_BILLED_BY_CALL: Final = {"web_search_call": "web_search", "file_search_call": "file_search"}
"""Output items of the Responses API that are priced per call. Code interpreter is billed per container."""


def images_and_tools(tally: Tally, body: object, request: object) -> dict[str, Any]:
    """Return `images`, `tool_calls` and the tags that select their rates; empty tags only for a plain text response."""
    generated = sum(pick(image, "b64_json", "url") is not None for image in items(body, "data"))
    tool_images = sum(pick(item, "type") == "image_generation_call" for item in items(body, "output"))
    tools = {name: count for name, count in _tools(tally, body).items() if count}
    fields: dict[str, Any] = {"tags": {**_image_tags(body, request, generated), **tool_tag(tools)}}
    if generated or tool_images:
        fields["images"] = generated + tool_images
    if tools:
        fields["tool_calls"] = sum(tools.values())
    return fields


def tool_tag(tools: dict[str, int]) -> dict[str, str]:
    """Return the tag `tool`: the only tool of the call, or `mixed`, which has no rate on purpose."""
    if not tools:
        return {}
    return {"tool": next(iter(tools)) if len(tools) == 1 else "mixed"}


def _tools(tally: Tally, body: object) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items(body, "output"):
        name = _BILLED_BY_CALL.get(text(pick(item, "type")))
        # Opening a page, or searching within one, is a free action of the same tool.
        if name and pick(pick(item, "action"), "type") in (None, "search"):
            counts[name] = counts.get(name, 0) + 1
    billed = tally.count(pick(pick(body, "tool_usage"), "web_search"), "num_requests")
    if billed is not None:
        counts["web_search"] = billed
    return counts


def _image_tags(body: object, request: object, generated: int) -> dict[str, str]:
    """Return size and quality, which determine an image's price: as generated, else as requested."""
    if not generated:
        return {}
    found = {name: text(pick(body, name)) or text(pick(request, name)) for name in ("size", "quality")}
    return {f"image_{name}": value for name, value in found.items() if value}
