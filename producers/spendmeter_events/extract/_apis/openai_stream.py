"""Merge OpenAI's streams: chat chunks with a final usage chunk, and the typed events of the other APIs."""

from __future__ import annotations

from typing import Final

from spendmeter_events.extract._apis.dialect import FINISHED, Merged
from spendmeter_events.extract._sections.outcome import error_type, finish_reason
from spendmeter_events.extract._sections.payload import items, pick
from spendmeter_events.extract._sections.tools import cites_the_web

_OLLAMA: Final = ("prompt_eval_count", "eval_count", "done")
_TOOLS: Final = ("tools", "previous_response_id", "conversation")
_IN_CHUNK: Final = ("id", "model", "service_tier", "usage", "citations", "provider", *_OLLAMA)
_IN_RESPONSE: Final = ("id", "model", "service_tier", "usage", "tool_usage", "output", "status", *_TOOLS)
_OUTPUT: Final = ("content", "reasoning_content", "reasoning", "tool_calls", "refusal", "audio")
_ENDS: Final = (
    "response.completed",
    "response.incomplete",
    "response.failed",
    "response.cancelled",
    "response.done",
    "transcript.text.done",
    "transcription.done",
    "speech.audio.done",
    "image_generation.completed",
    "image_edit.completed",
)


def fold(merged: Merged, chunk: object) -> None:
    """Merge a chunk. Repeated usage sections are running totals: the last one counts."""
    kind = pick(chunk, "type")
    response = pick(chunk, "response")
    source, names = (chunk, _IN_CHUNK) if response is None else (response, _IN_RESPONSE)
    for name in names:
        value = pick(source, name)
        if value:
            merged[name] = value
    _note_error(merged, chunk, source)
    if cites_the_web(chunk):
        merged["cites_the_web"] = True
    # Older chunks of Groq carry the usage under `x_groq`.
    if usage := pick(pick(chunk, "x_groq"), "usage"):
        merged["usage"] = usage
    if kind in _ENDS:
        merged |= {FINISHED: True, "type": kind}
        _count_image(merged, chunk, str(kind))
    elif finish_reason(chunk) or pick(chunk, "done") is True:
        merged[FINISHED] = True


def has_output(chunk: object) -> bool:
    """Return whether the chunk carries output of any kind."""
    kind = pick(chunk, "type")
    if isinstance(kind, str):
        return kind.endswith((".delta", ".done", ".completed", ".partial_image"))
    deltas = [pick(choice, "delta") for choice in items(chunk, "choices")]
    return any(pick(delta, name) for delta in deltas for name in _OUTPUT)


def _count_image(merged: Merged, chunk: object, kind: str) -> None:
    if kind.startswith("image_"):
        merged.setdefault("data", []).append({"b64_json": True})  # presence only, no content
        merged.update({name: value for name in ("size", "quality") if (value := pick(chunk, name))})


def _note_error(merged: Merged, chunk: object, source: object) -> None:
    """Keep the code of an error: its message may quote the prompt."""
    error = pick(source, "error") or pick(pick(source, "status_details"), "error")
    if pick(chunk, "type") == "error":
        error = error or chunk
    if error or finish_reason(chunk) == "error":
        merged |= {"status": "failed", "error": {"code": error_type(error)}}
