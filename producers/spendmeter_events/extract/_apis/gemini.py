"""Google's Gemini, on AI Studio and on Vertex AI: input includes cached tokens, output excludes thoughts.

Protobuf omits zeros, so a count that is absent while others are present is 0.
"""

from __future__ import annotations

import re
from typing import Any, Final

from spendmeter_events.extract._apis.dialect import FINISHED, Dialect, Merged, Request, extract
from spendmeter_events.extract._apis.openai import outcome
from spendmeter_events.extract._sections import video
from spendmeter_events.extract._sections.modalities import modalities
from spendmeter_events.extract._sections.payload import items, pick, text, tier
from spendmeter_events.extract._sections.tally import NOT_THE_SUM, Kinds, Tally
from spendmeter_events.extract._sections.tokens import has_openai_layout, tokens, usage_of
from spendmeter_events.extract._sections.tools import tool_tag
from spendmeter_events.extract.usage import Usage

_USAGE: Final = ("usage_metadata", "usageMetadata")
_PROMPT: Final = ("prompt_token_count", "total_input_tokens")
_TOTAL: Final = ("total_token_count", "total_tokens")
_OUTPUT: Final = ("candidates_token_count", "response_token_count", "total_output_tokens")
"""The Live API calls candidates `response`; the Interactions API reports totals of input and output."""
_PROMPT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_by_modality")
_CACHE_DETAILS: Final = ("cache_tokens_details", "cached_tokens_by_modality")
_TOOL_DETAILS: Final = ("tool_use_prompt_tokens_details", "tool_use_tokens_by_modality")
_OUTPUT_DETAILS: Final = ("candidates_tokens_details", "response_tokens_details", "output_tokens_by_modality")
_DRAWS: Final = re.compile("image|banana")
_SEPARATE_RATES: Final = re.compile("live|native-audio|embedding")
"""Models with a separate rate for video in the input; all others bill it at the rate of text."""


def from_gemini(
    response: object, *, request: Request | None = None, provider: str = "gemini", strict: bool = False
) -> Usage:
    """Return the usage of a Gemini response: content, its stream's chunks, embeddings, images, batch result lines.

    Pass `provider="vertex"` for Vertex AI. With `strict`, raises `InconsistentUsage`.
    """
    return extract(GEMINI, response, request=request, provider=provider, strict=strict)


def read(payload: object, request: Request, provider: str) -> Usage:
    """Return the usage of a complete payload."""
    inner = pick(payload, "response")
    body = payload if inner is None else inner
    tally, usage = Tally(), usage_of(body)
    if "/operations/" in text(pick(payload, "name"), 256):
        named = {"model": _model(None, request), **_outcome(payload)}
        found = video.of_operation(tally, payload, request)
        done = found or "status" in named
        return tally.usage(None, provider=provider, state="complete" if done else "missing", **named, **found)
    fields: dict[str, Any] = {
        "model": text(pick(body, "model_version", "modelVersion")) or _model(pick(body, "model"), request),
        "request_id": text(pick(body, "response_id", "responseId", "id")),
        "service_tier": _tier(body, usage) if inner is None else "batch",
        **_outcome(payload),
    }
    fields |= _counts(tally, body, usage, str(fields["model"]))
    if text(pick(body, "name")).startswith(("cachedContents/", "projects/")) and usage is not None:
        # The hours of storage depend on how long the cache lives, which is not reported.
        tally.flag("cachedContents.storage")
    if images := len(items(body, "generated_images", "generatedImages")) + _images(body):
        fields["images"] = images
    tools = {name: count for name, count in _grounding(body, str(fields["model"])).items() if count}
    if tools:
        fields |= {"tool_calls": sum(tools.values()), "tags": tool_tag(tools)}
    reported = fields.keys() & {"input_tokens", "characters", "images"}
    # A failed request of a batch is not billed.
    failed = usage is None and "status" in fields and pick(payload, "key", "request") is not None
    return tally.usage(usage, provider=provider, state="complete" if reported or failed else "missing", **fields)


def fold(merged: Merged, chunk: object) -> None:
    """Merge a chunk. Counts are running totals: the last ones count."""
    for names in (_USAGE, ("model_version", "modelVersion"), ("response_id", "responseId")):
        value = pick(chunk, *names)
        if value is not None:
            merged[names[0]] = value
    merged["_images"] = _images(merged) + _images(chunk)
    merged["_queries"] = _queries(merged) | _queries(chunk)
    merged["_chunks"] = _grounding_chunks(merged) | _grounding_chunks(chunk)
    blocked = pick(pick(chunk, "prompt_feedback", "promptFeedback"), "block_reason", "blockReason")
    ended = any(pick(each, "finish_reason", "finishReason") for each in items(chunk, "candidates"))
    if ended or blocked:
        merged[FINISHED] = True


def has_output(chunk: object) -> bool:
    """Return whether the chunk carries output."""
    return any(items(pick(each, "content"), "parts") for each in items(chunk, "candidates"))


def _counts(tally: Tally, body: object, usage: object, model: str) -> dict[str, int]:
    if usage is None:
        return _other(tally, body)
    intermediary = has_openai_layout(usage) or pick(usage, "input_tokens") is not None
    return tokens(tally, usage) if intermediary else _content(tally, body, usage, model)


def _content(tally: Tally, body: object, usage: object, model: str) -> dict[str, int]:
    total = tally.count(usage, *_TOTAL)
    prompt = tally.count(usage, *_PROMPT)
    if prompt is None and total is None:
        return {}
    if prompt is None and pick(body, "name") is not None:
        prompt = total  # a cache that was created
    prompt = prompt or 0
    tools = tally.count(usage, "tool_use_prompt_token_count", "total_tool_use_tokens") or 0
    answer = tally.count(usage, *_OUTPUT) or 0
    thoughts = tally.count(usage, "thoughts_token_count", "total_thought_tokens", "total_reasoning_tokens") or 0
    # On some endpoints the output count includes thoughts; the total shows whether it does.
    inside = total == prompt + tools + answer and thoughts > 0
    output = answer if inside else answer + thoughts
    if total not in (None, prompt + tools + output, prompt + output):
        tally.faults.append(NOT_THE_SUM)
    output_kinds = modalities(tally, usage, _OUTPUT_DETAILS)
    output_kinds.flag_video(tally)
    kinds = output_kinds.kinds
    if _DRAWS.search(model) and _images(body) and not output_kinds.counts:
        # Not broken down: text beside the image is cheaper, and its share is unknown.
        kinds, tally.ambiguous = Kinds(image=output - thoughts), True
    return {**_input(tally, usage, prompt + tools, model), **tally.output_side(output, reasoning=thoughts, kinds=kinds)}


def _input(tally: Tally, usage: object, total: int, model: str) -> dict[str, int]:
    lists = (_PROMPT_DETAILS, _CACHE_DETAILS, _TOOL_DETAILS)
    prompt, cached, tools = (modalities(tally, usage, names) for names in lists)
    if _SEPARATE_RATES.search(model):
        prompt.flag_video(tally)
    kinds = Kinds(prompt.kinds.audio + tools.kinds.audio, prompt.kinds.image + tools.kinds.image)
    cached_total = tally.count(usage, "cached_content_token_count", "total_cached_tokens")
    return tally.input_side(total, cached=cached_total, kinds=kinds, cached_kinds=cached.kinds)


def _other(tally: Tally, body: object) -> dict[str, int]:
    """Return the usage of embeddings: Vertex reports tokens per text, older models report characters."""
    characters = tally.count(pick(body, "metadata"), "billable_character_count", "billableCharacterCount")
    embeddings = items(body, "embeddings")
    if not embeddings and characters is None:
        embeddings = [pick(each, "embeddings") for each in items(body, "predictions")]
    counts = [tally.count(pick(each, "statistics"), "token_count", "tokenCount") for each in embeddings]
    known = [count for count in counts if count is not None]
    if known:
        return {"input_tokens": sum(known)}
    return {} if characters is None else {"characters": characters}


def _images(body: object) -> int:
    earlier = pick(body, "_images") or 0
    parts = [part for each in items(body, "candidates") for part in items(pick(each, "content"), "parts")]
    found = [*(pick(part, "inline_data", "inlineData") for part in parts), *items(body, "predictions")]
    kinds = [text(pick(data, "mime_type", "mimeType")) for data in found]
    return int(earlier) + sum(kind.startswith("image/") for kind in kinds)


def _queries(body: object) -> frozenset[str]:
    found = frozenset(pick(body, "_queries") or ())
    for each in items(body, "candidates"):
        grounding = pick(each, "grounding_metadata", "groundingMetadata")
        found |= {query for query in items(grounding, "web_search_queries", "webSearchQueries") if query}
    return found


def _grounding_chunks(body: object) -> frozenset[str]:
    """Return the kinds of sources that the answer cites: `web`, `maps`."""
    found = frozenset(pick(body, "_chunks") or ())
    for each in items(body, "candidates"):
        grounding = pick(each, "grounding_metadata", "groundingMetadata")
        for chunk in items(grounding, "grounding_chunks", "groundingChunks"):
            found |= {kind for kind in ("web", "maps") if pick(chunk, kind) is not None}
    return found


def _grounding(body: object, model: str) -> dict[str, int]:
    """Return the billed uses of each tool: one per grounded answer up to Gemini 2.5, one per query since Gemini 3."""
    queries, kinds = len(_queries(body)), _grounding_chunks(body)
    if model.startswith(("gemini-1", "gemini-2")):
        return {"web_search": int(queries > 0 and kinds != {"maps"}), "google_maps": int("maps" in kinds)}
    if kinds == {"maps"}:
        return {"google_maps": max(queries, 1)}
    return {"web_search": queries, "google_maps": int("maps" in kinds)}


def _outcome(payload: object) -> dict[str, str]:
    """Return the outcome; Vertex puts the message of a failed batch request in `status`, which may be content."""
    if pick(payload, "status") and pick(payload, "request") is not None:
        return {"status": "error", "error_type": "failed"}
    return outcome(payload)


def _tier(body: object, usage: object) -> str:
    headers = pick(pick(body, "sdk_http_response", "sdkHttpResponse"), "headers")
    reported = pick(headers, "x-gemini-service-tier") or pick(
        usage, "service_tier", "serviceTier", "traffic_type", "trafficType"
    )
    return tier(reported).replace("provisioned_throughput", "provisioned").replace("traffic_type_", "")


def _model(reported: object, request: Request) -> str:
    """Return the last segment of `models/gemini-…` or of a Vertex resource name."""
    return (text(reported) or text(pick(request, "model"))).rsplit("/", 1)[-1]


GEMINI = Dialect(provider="gemini", read=read, fold=fold, has_output=has_output)
