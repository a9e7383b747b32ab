"""Google's Gemini, on AI Studio and on Vertex AI: input includes cached tokens, output excludes thoughts.

Protobuf omits zeros, so a count that is absent while others are present is 0.
"""

from __future__ import annotations

from typing import Any, Final

from spendmeter_events.extract._dialect import FINISHED, Dialect, Merged, Request, extract
from spendmeter_events.extract._openai_tools import tool_tag
from spendmeter_events.extract._payload import items, pick, text, tier
from spendmeter_events.extract._tally import NOT_THE_SUM, Tally
from spendmeter_events.extract.usage import Usage

_USAGE: Final = ("usage_metadata", "usageMetadata")
_OUTPUT: Final = (
    "candidates_token_count",
    "candidatesTokenCount",
    "response_token_count",
    "responseTokenCount",
)
"""The Live API uses the name `response` for candidates."""


def from_gemini(response: object, *, request: Request | None = None, provider: str = "gemini") -> Usage:
    """Return the usage of a Gemini response: content, its stream's chunks, embeddings, images.

    Pass `provider="vertex"` for Vertex AI. Raises `InconsistentUsage`.
    """
    return extract(GEMINI, response, request=request, provider=provider)


def read(body: object, request: Request, provider: str) -> Usage:
    """Return the usage of a complete payload."""
    tally, usage = Tally(), pick(body, *_USAGE)
    fields: dict[str, Any] = {
        "model": text(pick(body, "model_version", "modelVersion")) or _model(pick(request, "model")),
        "request_id": text(pick(body, "response_id", "responseId")),
        "service_tier": _tier(body, usage),
    }
    fields |= _content(tally, usage) if usage is not None else _other(tally, body)
    if images := len(items(body, "generated_images", "generatedImages")) + _images(body):
        fields["images"] = images
    if searches := _searches(body, str(fields["model"])):
        fields |= {"tool_calls": searches, "tags": tool_tag({"web_search": searches})}
    reported = fields.keys() & {"input_tokens", "characters", "images"}
    return tally.usage(usage, provider=provider, state="complete" if reported else "missing", **fields)


def fold(merged: Merged, chunk: object) -> None:
    """Merge a chunk. Counts are running totals: the last ones win."""
    for names in (_USAGE, ("model_version", "modelVersion"), ("response_id", "responseId")):
        value = pick(chunk, *names)
        if value is not None:
            merged[names[0]] = value
    merged["_images"] = _images(merged) + _images(chunk)
    merged["_queries"] = _queries(merged) | _queries(chunk)
    blocked = pick(pick(chunk, "prompt_feedback", "promptFeedback"), "block_reason", "blockReason")
    ended = any(pick(each, "finish_reason", "finishReason") for each in items(chunk, "candidates"))
    if ended or blocked:
        merged[FINISHED] = True


def has_output(chunk: object) -> bool:
    """Return whether the chunk carries output."""
    return any(items(pick(each, "content"), "parts") for each in items(chunk, "candidates"))


def _content(tally: Tally, usage: object) -> dict[str, int]:
    if pick(usage, "prompt_token_count", "promptTokenCount", "total_token_count", "totalTokenCount") is None:
        return {}
    prompt = tally.count(usage, "prompt_token_count", "promptTokenCount") or 0
    tools = tally.count(usage, "tool_use_prompt_token_count", "toolUsePromptTokenCount") or 0
    answer = tally.count(usage, *_OUTPUT) or 0
    thoughts = tally.count(usage, "thoughts_token_count", "thoughtsTokenCount") or 0
    total = tally.count(usage, "total_token_count", "totalTokenCount")
    # On some endpoints the answer count includes thoughts; the total shows whether it does.
    inside = total == prompt + tools + answer and thoughts > 0
    output = answer if inside else answer + thoughts
    if total not in (None, prompt + tools + output, prompt + output):
        tally.faults.append(NOT_THE_SUM)
    audio = _audio(tally, usage, "candidates_tokens_details", "candidatesTokensDetails")
    return {**_input(tally, usage, prompt + tools), **tally.output_side(output, reasoning=thoughts, audio=audio)}


def _input(tally: Tally, usage: object, total: int) -> dict[str, int]:
    audio = _audio(tally, usage, "prompt_tokens_details", "promptTokensDetails")
    audio -= _audio(tally, usage, "cache_tokens_details", "cacheTokensDetails")
    audio += _audio(tally, usage, "tool_use_prompt_tokens_details", "toolUsePromptTokensDetails")
    if audio < 0:
        tally.faults.append("cached audio tokens exceed audio tokens")
        return {}
    cached = tally.count(usage, "cached_content_token_count", "cachedContentTokenCount")
    return tally.input_side(total, cached=cached, audio=audio)


def _audio(tally: Tally, usage: object, *names: str) -> int:
    parts = [each for each in items(usage, *names) if text(pick(each, "modality")).upper() == "AUDIO"]
    return sum(tally.count(each, "token_count", "tokenCount") or 0 for each in parts)


def _other(tally: Tally, body: object) -> dict[str, int]:
    """Return the usage of embeddings: Vertex reports tokens per text, older models report characters."""
    counts = [tally.count(pick(each, "statistics"), "token_count", "tokenCount") for each in items(body, "embeddings")]
    known = [count for count in counts if count is not None]
    if known:
        return {"input_tokens": sum(known)}
    characters = tally.count(pick(body, "metadata"), "billable_character_count", "billableCharacterCount")
    return {} if characters is None else {"characters": characters}


def _images(body: object) -> int:
    earlier = pick(body, "_images") or 0
    parts = [part for each in items(body, "candidates") for part in items(pick(each, "content"), "parts")]
    kinds = [text(pick(pick(part, "inline_data", "inlineData"), "mime_type", "mimeType")) for part in parts]
    return int(earlier) + sum(kind.startswith("image/") for kind in kinds)


def _queries(body: object) -> frozenset[str]:
    found = frozenset(pick(body, "_queries") or ())
    for each in items(body, "candidates"):
        grounding = pick(each, "grounding_metadata", "groundingMetadata")
        found |= {query for query in items(grounding, "web_search_queries", "webSearchQueries") if query}
    return found


def _searches(body: object, model: str) -> int:
    """Return the billed searches: one per grounded answer up to Gemini 2.5, one per distinct query since Gemini 3."""
    queries = len(_queries(body))
    per_answer = model.startswith(("gemini-1", "gemini-2"))
    return min(queries, 1) if per_answer else queries


def _tier(body: object, usage: object) -> str:
    headers = pick(pick(body, "sdk_http_response", "sdkHttpResponse"), "headers")
    reported = pick(headers, "x-gemini-service-tier") or pick(
        usage, "service_tier", "serviceTier", "traffic_type", "trafficType"
    )
    return tier(reported).replace("provisioned_throughput", "provisioned").replace("traffic_type_", "")


def _model(requested: object) -> str:
    """Return the last segment of `models/gemini-…` or of a Vertex resource name."""
    return text(requested).rsplit("/", 1)[-1]


GEMINI = Dialect(provider="gemini", read=read, fold=fold, has_output=has_output)
