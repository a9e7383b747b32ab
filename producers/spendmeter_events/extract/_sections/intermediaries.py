"""Payloads of frameworks around a provider's response: LangChain's results and messages, the Vercel AI SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from spendmeter_events.extract._sections import ai_sdk
from spendmeter_events.extract._sections.payload import fields_of, items, pick

_MARKS: Final = ai_sdk.MARKS | {"generations", "lc", "message"}


def plain(payload: object) -> Any:
    """Return the payload in a provider's layout if a framework has wrapped it; else unchanged."""
    if not isinstance(payload, Mapping):
        kind: type = type(payload)
        return _message(payload) or payload if _of_langchain(kind) else payload
    if not _MARKS.isdisjoint(payload):
        if not ai_sdk.MARKS.isdisjoint(payload):
            return ai_sdk.result(payload) or payload
        return _message(payload) or payload
    if ai_sdk.has_usage(payload.get("usage")):
        return ai_sdk.result(payload) or payload
    return _by_model(payload) or payload


def part_usage(chunk: object) -> dict[str, Any] | None:
    """Return the usage of a framework's chunk, for `joined`; None for a provider's chunk."""
    if not isinstance(chunk, Mapping):
        kind: type = type(chunk)
        return _message(chunk, always=True) if _of_langchain(kind) else None
    if "lc" in chunk or {"usage_metadata", "response_metadata"} <= chunk.keys():
        return _message(chunk, always=True)
    return ai_sdk.finished(chunk)


def joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one payload of all chunks: frameworks split the usage of a call, or end with the sum of its steps."""
    steps = [part for part in parts if part.get("type") in ai_sdk.STEP_ENDS]
    return ai_sdk.added(steps or parts)


@cache
def _of_langchain(kind: type) -> bool:
    return any(base.__module__.startswith("langchain") for base in kind.__mro__)


def _message(payload: object, *, always: bool = False) -> dict[str, Any] | None:
    """Return the messages of a LangChain result, a generation or a message as one; None if none has usage."""
    found = [message for message in _messages(payload) if always or pick(message, "usage_metadata") is not None]
    if not found:
        return None
    metadata: dict[str, Any] = {}
    for message in found:
        metadata |= fields_of(pick(message, "response_metadata"))
    usage = ai_sdk.added([fields_of(pick(message, "usage_metadata")) for message in found])
    return {"usage_metadata": usage, "response_metadata": metadata, "id": pick(found[0], "id")}


def _messages(payload: object) -> Iterator[object]:
    """Yield the message of each prompt: the choices of one prompt repeat the usage."""
    payload = pick(payload, "kwargs") or payload
    generations = items(payload, "generations")
    for choices in generations:
        first = choices[0] if isinstance(choices, (list, tuple)) and choices else choices
        yield from _messages(first)
    if not generations:
        message = pick(payload, "message")
        yield payload if message is None else pick(message, "kwargs") or message


def _by_model(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the usage of LangChain's `UsageMetadataCallbackHandler`, `{model: usage}`, if it has one model."""
    if len(payload) != 1:
        return None
    model, usage = next(iter(payload.items()))
    if not isinstance(usage, Mapping) or not {"input_tokens", "output_tokens", "total_tokens"} <= usage.keys():
        return None
    return None if model in ("usage", "usage_metadata", "token_usage") else {"model": model, "usage_metadata": usage}
