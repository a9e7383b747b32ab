"""OpenAI's payloads: chat completions, responses, embeddings, images, speech, transcription, realtime, batch.

Input includes cached, cache-written and audio tokens; output includes reasoning and audio tokens. Azure and most
compatible services count the same way; some exclude reasoning from the output, which is visible in their total.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from spendmeter_events.extract._apis.dialect import Dialect, Request, extract
from spendmeter_events.extract._apis.openai_stream import fold, has_output
from spendmeter_events.extract._sections import video
from spendmeter_events.extract._sections.costs import reported_cost
from spendmeter_events.extract._sections.native import native_usage
from spendmeter_events.extract._sections.outcome import error_type, finish_reason
from spendmeter_events.extract._sections.payload import items, pick, text, tier
from spendmeter_events.extract._sections.tally import Tally, part
from spendmeter_events.extract._sections.tokens import OUTPUT_DETAILS, has_anthropic_layout, tokens, usage_of
from spendmeter_events.extract._sections.tools import images_and_tools
from spendmeter_events.extract.usage import Usage
from spendmeter_events.usage_units import OTHER_UNITS

_IMAGE_MODEL: Final = re.compile(r"gpt-image|chatgpt-image")


def from_openai(
    response: object, *, request: Request | None = None, provider: str = "openai", strict: bool = False
) -> Usage:
    """Return the usage of a response (object, dict, or chunks) of OpenAI, Azure or a compatible service.

    `request` is the request body; it supplies what the response omits, such as the characters of speech.
    With `strict`, raises `InconsistentUsage`.
    """
    return extract(OPENAI, response, request=request, provider=provider, strict=strict)


def read(payload: object, request: Request, provider: str) -> Usage:
    """Return the usage of a complete payload of any OpenAI endpoint."""
    body, fields = unwrap(payload)
    fields = identity(body, request) | fields
    tally, usage = Tally(), usage_of(body)
    if pick(body, "object") == "video":
        return build_usage(tally, None, fields | video.of_job(tally, body), provider)
    fields |= images_and_tools(tally, body, request)
    if (native := native_usage(body, usage)) is not None:
        usage, counts = native(tally)
        fields |= counts
    else:
        fields |= tokens(tally, usage, cache_outside=has_anthropic_layout(usage)) | _audio(tally, body, usage, request)
    fields |= _output_kind(body, usage, fields)
    fields |= reported_cost(tally, body, usage, fields)
    return build_usage(tally, usage, fields, provider)


def _output_kind(body: object, usage: object, fields: Mapping[str, Any]) -> dict[str, int]:
    """Return the output as audio or image tokens for APIs that report it as plain output tokens."""
    output = fields.get("output_tokens")
    if output is None:
        return {}
    if pick(body, "type") == "speech.audio.done":
        return {"output_audio_tokens": output, "output_tokens": 0}
    # The Images API has no breakdown of the output on OpenAI, and one on Azure.
    if _IMAGE_MODEL.search(str(fields["model"])) and not items(body, "choices") and not part(usage, *OUTPUT_DETAILS):
        return {"output_image_tokens": output, "output_tokens": 0}
    return {}


def unwrap(payload: object) -> tuple[Any, dict[str, Any]]:
    """Return the response inside a batch output line or a realtime event, and the fields that follow from it."""
    inner = pick(payload, "response")
    body = pick(inner, "body")
    if body is not None:
        return body, {"service_tier": "batch"}
    failure = pick(payload, "error")
    if inner is None and failure and pick(payload, "custom_id"):
        # A failed request of a batch is not billed.
        return payload, {"service_tier": "batch", "state": "complete"}
    return (payload if inner is None or pick(payload, "usage") is not None else inner), {}


def identity(body: object, request: Request) -> dict[str, Any]:
    """Return model, request id, tier and outcome, as far as they are reported."""
    metadata = pick(body, "response_metadata", "llm_output", "llmOutput")
    return {
        "model": text(pick(body, "model"))
        or text(pick(metadata, "model_name", "model", "model_id"))
        or text(pick(pick(body, "response"), "modelId"))
        or text(pick(request, "model")),
        "request_id": text(pick(body, "id")),
        "service_tier": tier(pick(body, "service_tier") or pick(metadata, "service_tier")),
        **outcome(body),
    }


def outcome(body: object) -> dict[str, str]:
    """Return status and error type if the response itself reports a failure or a cancellation."""
    status = pick(body, "status")
    if status == "cancelled":
        return {"status": "cancelled"}
    error = pick(body, "error") or pick(pick(body, "status_details"), "error")
    if status in ("failed", "error") or error or finish_reason(body) == "error":
        return {"status": "error", "error_type": error_type(error)}
    return {}


def build_usage(tally: Tally, usage: object, fields: dict[str, Any], provider: str) -> Usage:
    """Return the `Usage`: `complete` if both sides, or a unit other than tokens, are reported; else `missing`."""
    if "state" in fields:
        return tally.usage(usage, provider=provider, **fields)
    sides = ("input_tokens" in fields) + ("output_tokens" in fields)
    other = any(unit in fields for unit in OTHER_UNITS)
    reported = sides == 2 or (sides == 0 and other)
    return tally.usage(usage, provider=provider, state="complete" if reported else "missing", **fields)


def _audio(tally: Tally, body: object, usage: object, request: Request) -> dict[str, Any]:
    """Return the seconds of a transcription or the characters of speech, if no tokens are reported instead."""
    spoken = pick(request, "input")
    if usage is None and isinstance(spoken, str) and pick(request, "voice") is not None:
        return {"characters": len(spoken)}
    seconds = tally.seconds(body, "duration") if usage is None else tally.seconds(usage, "seconds")
    return {} if seconds is None else {"audio_seconds": seconds}


OPENAI = Dialect(provider="openai", read=read, fold=fold, has_output=has_output)
