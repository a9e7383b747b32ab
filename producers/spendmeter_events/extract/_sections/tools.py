"""Images generated and tools run by the provider, as reported in OpenAI's payloads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from spendmeter_events.extract._sections.payload import field_name, items, pick, text
from spendmeter_events.extract._sections.tally import Tally, part

_BILLED_BY_CALL: Final = {"web_search_call": "web_search", "file_search_call": "file_search"}
"""Output items of the Responses API that are priced per call."""
_IN_CONTAINER: Final = {"code_interpreter_call": "code_interpreter", "shell_call": "shell"}
"""Output items that run in a container of the provider, which is billed per session, and their tools."""

_RUNS_TOOLS: Final = re.compile("compound|gpt-oss")
"""Models for which Groq runs tools. The choices of others are not read, to save time."""
_SEARCH_MODEL: Final = re.compile(r"search-(preview|api)")


def images_and_tools(tally: Tally, body: object, request: object) -> dict[str, Any]:
    """Return `images`, `tool_calls` and the tags that select their rates; a plain text response has only empty tags."""
    generated = sum(pick(image, "b64_json", "url") is not None for image in items(body, "data"))
    tool_images = sum(pick(item, "type") == "image_generation_call" for item in items(body, "output"))
    tools = {name: count for name, count in _tools(tally, body).items() if count}
    if _RUNS_TOOLS.search(text(pick(body, "model"))):
        _flag_executed_tools(tally, body)
    fields: dict[str, Any] = {"tags": {**_image_tags(body, request, generated), **tool_tag(tools)}}
    if generated or tool_images:
        fields["images"] = generated + tool_images
    if tools:
        fields["tool_calls"] = sum(tools.values())
    return fields


def _flag_executed_tools(tally: Tally, body: object) -> None:
    """Flag the tools that Groq ran: their fees depend on kind and duration."""
    for choice in items(body, "choices"):
        for tool in items(pick(choice, "message"), "executed_tools"):
            tally.flag(f"executed_tools.{field_name(pick(tool, 'type'))}")


def tool_tag(tools: dict[str, int]) -> dict[str, str]:
    """Return the tag `tool`: the only tool of the call, or `mixed`, which has no rate on purpose."""
    if not tools:
        return {}
    return {"tool": next(iter(tools)) if len(tools) == 1 else "mixed"}


def _tools(tally: Tally, body: object) -> dict[str, int]:
    counts: dict[str, int] = {}
    output = items(body, "output")
    for item in output:
        name = _BILLED_BY_CALL.get(text(pick(item, "type")))
        # Opening a page and searching within it are free actions of the same tool.
        if name and pick(pick(item, "action"), "type") in (None, "search"):
            counts[name] = counts.get(name, 0) + 1
    if output:
        counts |= _containers(tally, body, output)
        if "web_search" in counts and any(kind.startswith("web_search_preview") for kind in _configured(body)):
            counts["web_search_preview"] = counts.pop("web_search")
    billed = tally.count(pick(pick(body, "tool_usage"), "web_search"), "num_requests")
    if billed is None:
        billed = _gateway_searches(tally, pick(body, "usage"))
    if billed is not None:
        counts["web_search"] = billed
    elif _SEARCH_MODEL.search(text(pick(body, "model"))) and (pick(body, "cites_the_web") or cites_the_web(body)):
        # These models search at most once per call, and do not report it in the usage.
        counts["web_search_preview"] = 1
    return counts


def _containers(tally: Tally, body: object, output: Sequence[object]) -> dict[str, int]:
    """Return the containers that the call created, by the tool whose memory limit determines the rate.

    A container that the caller named, or that an earlier response may have created, was billed before.
    """
    found: dict[str, set[str]] = {}
    for item in output:
        tool = _IN_CONTAINER.get(text(pick(item, "type")))
        container = text(pick(item, "container_id") or pick(pick(item, "environment"), "container_id"))
        if tool and container:
            found.setdefault(tool, set()).add(container)
    counts: dict[str, int] = {}
    for tool, containers in found.items():
        setting = _configured(body).get(tool)
        if (
            isinstance(setting, str)
            or pick(setting, "container_id")
            or pick(body, "previous_response_id", "conversation") is not None
        ):
            tally.ambiguous = True
            continue
        memory = text(pick(setting, "memory_limit"), 8)
        name = "code_interpreter" if memory in ("", "1g") else f"code_interpreter_{memory}"
        counts[name] = counts.get(name, 0) + len(containers)
    return counts


def _configured(body: object) -> dict[str, Any]:
    """Return the tools that the response repeats from the request, by type, and their containers."""
    tools = items(body, "tools")
    return {text(pick(tool, "type")): pick(tool, "container", "environment") for tool in tools}


def cites_the_web(body: object) -> bool:
    """Return whether an answer, or a chunk of one, has a web page in its annotations."""
    parts = [pick(choice, name) for choice in items(body, "choices") for name in ("message", "delta")]
    return any(pick(note, "type") == "url_citation" for part in parts for note in items(part, "annotations"))


def _gateway_searches(tally: Tally, usage: object) -> int | None:
    """Return the searches that LiteLLM and OpenRouter report in the usage, by Anthropic's name."""
    details = part(usage, "prompt_tokens_details", "input_tokens_details")
    tools = pick(usage, "server_tool_use")
    tally.skip(tools, "web_fetch_requests")  # free of charge
    return tally.first((tools, ("web_search_requests",)), (details, ("web_search_requests",)))


def _image_tags(body: object, request: object, generated: int) -> dict[str, str]:
    """Return size and quality, which determine the price: as generated, else as requested."""
    if not generated:
        return {}
    found = {name: text(pick(body, name)) or text(pick(request, name)) for name in ("size", "quality")}
    return {f"image_{name}": value for name, value in found.items() if value}
