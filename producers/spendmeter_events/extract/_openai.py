"""OpenAI's payloads: chat completions, responses, embeddings, images, speech, transcription, realtime, batch.

Input includes cached, cache-written and audio tokens; output includes reasoning and audio tokens. Azure and most
compatible services count the same way; some exclude reasoning from the output, which is visible in their total.
"""

from __future__ import annotations

from typing import Any

from spendmeter_events.extract._dialect import Dialect, Request, extract
from spendmeter_events.extract._openai_stream import fold, has_output
from spendmeter_events.extract._openai_tools import images_and_tools
from spendmeter_events.extract._payload import pick, text, tier
from spendmeter_events.extract._tally import NOT_THE_SUM, Tally
from spendmeter_events.extract.usage import Usage


def from_openai(response: object, *, request: Request | None = None, provider: str = "openai") -> Usage:
    """Return the usage of a response (object, dict, or chunks) of OpenAI, Azure or a compatible service.

    `request` is the request body; it supplies the characters of speech and what else the response omits.
    Raises `InconsistentUsage`.
    """
    return extract(OPENAI, response, request=request, provider=provider)


def read(payload: object, request: Request, provider: str) -> Usage:
    """Return the usage of a complete payload of any OpenAI endpoint."""
    body, fields = unwrap(payload)
    fields = identity(body, request) | fields
    tally = Tally()
    usage = pick(body, "usage")
    fields |= images_and_tools(tally, body, request)
    fields |= tokens(tally, usage) | _audio(tally, body, usage, request)
    if pick(body, "type") == "speech.audio.done" and "output_tokens" in fields:
        # The output of text-to-speech is audio, although it is reported as plain output tokens.
        fields |= {"output_audio_tokens": fields["output_tokens"], "output_tokens": 0}
    return build_usage(tally, usage, fields, provider)


def unwrap(payload: object) -> tuple[Any, dict[str, Any]]:
    """Return the response inside a batch output line or a realtime event, and the fields that follow from it."""
    inner = pick(payload, "response")
    body = pick(inner, "body")
    if body is not None:
        return body, {"service_tier": "batch"}
    return (payload if inner is None else inner), {}


def identity(body: object, request: Request) -> dict[str, Any]:
    """Return model, request id and tier, as far as they are reported."""
    return {
        "model": text(pick(body, "model")) or text(pick(request, "model")),
        "request_id": text(pick(body, "id")),
        "service_tier": tier(pick(body, "service_tier")),
    }


def tokens(tally: Tally, usage: object, *, reasoning_outside: bool = False) -> dict[str, int]:
    """Return the token buckets; a side that is not reported is absent.

    A reported total decides whether the output includes reasoning. `reasoning_outside` is the provider's documented
    convention, for payloads without a total.
    """
    prompt, completion = tally.fill_from_total(
        tally.count(usage, "prompt_tokens", "input_tokens"),
        tally.count(usage, "completion_tokens", "output_tokens"),
        total := tally.count(usage, "total_tokens"),
    )
    input_details = pick(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    output_details = pick(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
    buckets: dict[str, int] = {}
    if prompt is not None:
        buckets |= _input(tally, prompt, usage, input_details)
    if completion is not None:
        reasoning = tally.count(output_details, "reasoning_tokens")
        if reasoning is None:
            reasoning = tally.count(usage, "reasoning_tokens")
        completion = _with_reasoning(tally, prompt, completion, reasoning or 0, total, reasoning_outside)
        buckets |= tally.output_side(completion, reasoning=reasoning, audio=tally.count(output_details, "audio_tokens"))
    return buckets


def build_usage(tally: Tally, usage: object, fields: dict[str, Any], provider: str) -> Usage:
    """Return the `Usage`: `complete` if both sides, or a unit other than tokens, are reported; else `missing`."""
    sides = ("input_tokens" in fields) + ("output_tokens" in fields)
    other = any(unit in fields for unit in ("characters", "audio_seconds", "images"))
    reported = sides == 2 or (sides == 0 and other)
    return tally.usage(usage, provider=provider, state="complete" if reported else "missing", **fields)


def _input(tally: Tally, prompt: int, usage: object, details: object) -> dict[str, int]:
    cached = tally.count(details, "cached_tokens")
    if cached is None:
        cached = tally.count(usage, "cached_prompt_text_tokens", "num_cached_tokens")
    lifetimes = pick(details, "cache_write_tokens_details")
    writes = tally.writes(
        tally.count(details, "cache_write_tokens"),
        tally.count(lifetimes, "ttl_30m_tokens"),
        tally.count(lifetimes, "ttl_12h_tokens"),
    )
    audio = tally.count(details, "audio_tokens") or 0
    # Only Realtime reports how many cached tokens are audio; they are in the cache bucket already.
    audio -= tally.count(pick(details, "cached_tokens_details"), "audio_tokens") or 0
    if audio < 0:
        tally.faults.append("cached audio tokens exceed audio tokens")
        return {}
    return tally.input_side(prompt, cached=cached, writes=writes, audio=audio)


def _with_reasoning(
    tally: Tally, prompt: int | None, completion: int, reasoning: int, total: int | None, outside: bool
) -> int:
    if total is None or prompt is None:
        return completion + reasoning if outside else completion
    if prompt + completion == total:
        return completion
    if prompt + completion + reasoning == total:
        return completion + reasoning
    tally.faults.append(NOT_THE_SUM)
    return completion


def _audio(tally: Tally, body: object, usage: object, request: Request) -> dict[str, Any]:
    """Return the seconds of a transcription or the characters of speech, if no tokens are reported instead."""
    spoken = pick(request, "input")
    if usage is None and isinstance(spoken, str) and pick(request, "voice") is not None:
        return {"characters": len(spoken)}
    seconds = tally.seconds(body, "duration") if usage is None else tally.seconds(usage, "seconds")
    return {} if seconds is None else {"audio_seconds": seconds}


OPENAI = Dialect(provider="openai", read=read, fold=fold, has_output=has_output)
