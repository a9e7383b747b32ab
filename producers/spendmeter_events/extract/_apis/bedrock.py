"""Amazon Bedrock: Converse, InvokeModel with the body of each vendor, and their streams.

In Converse and in the response headers, the input count excludes cached tokens and the total includes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from spendmeter_events.extract._apis import anthropic as _anthropic
from spendmeter_events.extract._apis import openai_stream as _openai_stream
from spendmeter_events.extract._apis.dialect import FINISHED, Dialect, Merged, Request, extract
from spendmeter_events.extract._apis.openai import outcome
from spendmeter_events.extract._sections.native import native_usage
from spendmeter_events.extract._sections.payload import fields_of, items, pick, text, tier
from spendmeter_events.extract._sections.tally import NOT_THE_SUM, Tally
from spendmeter_events.extract._sections.tokens import has_openai_layout, tokens, usage_of
from spendmeter_events.extract.usage import State, Usage

_METRICS: Final = "amazon-bedrock-invocationMetrics"
_HEADER: Final = "x-amzn-bedrock-"
_CHUNK_COUNTS: Final = (_METRICS, "prompt_token_count", "generation_token_count", "inputTextTokenCount")
"""Counts in a chunk of an InvokeModel stream."""
_EXCEPTIONS: Final = (
    "internalServerException",
    "modelStreamErrorException",
    "modelTimeoutException",
    "serviceUnavailableException",
    "throttlingException",
    "validationException",
)
_METADATA: Final = ("usage", "serviceTier", "performanceConfig", "trace")


def from_bedrock(response: object, *, request: Request | None = None, strict: bool = False) -> Usage:
    """Return the usage of a Bedrock response: Converse, an InvokeModel body or raw response, a stream, a batch line.

    For a raw InvokeModel response, only the headers are read: its body can be read only once, by the caller.
    `request["modelId"]` supplies the model, which Bedrock does not return. With `strict`, raises `InconsistentUsage`.
    """
    return extract(BEDROCK, response, request=request, strict=strict)


def read(payload: object, request: Request, provider: str) -> Usage:
    """Return the usage of a complete payload."""
    headers, batch = _headers(payload), pick(payload, "modelOutput")
    body = _decoded(pick(payload, "body")) or batch or _sonic(payload) or payload
    fields: dict[str, Any] = {
        "model": text(pick(pick(pick(body, "trace"), "promptRouter"), "invokedModelId"))
        or text(pick(request, "modelId", "model"))
        or text(pick(body, "modelId")),
        "request_id": text(pick(pick(payload, "ResponseMetadata"), "RequestId") or pick(body, "id")),
        "service_tier": "batch" if batch is not None else _tier(body, headers),
        **outcome(body),
    }
    tally, usage = Tally(), usage_of(body)
    if (native := native_usage(body, usage)) is not None:
        section, counts = native(tally)
    else:
        counts, section = _reader(body, usage)(tally, body, usage), usage
    if not counts and not tally.faults:
        section = pick(body, _METRICS) or headers
        counts = _bedrock_counts(tally, body, headers)
    for unit in _guardrail_units(pick(pick(body, "trace"), "guardrail")):
        tally.flag(f"guardrail.{unit}")
    reported = {"input_tokens", "output_tokens"} <= counts.keys()
    state: State = "complete" if reported else "missing"
    if pick(payload, "recordId") and pick(payload, "error"):
        # A failed record of a batch is not billed.
        state = "complete"
        fields |= {"service_tier": "batch", **outcome(payload)}
    return tally.usage(section, provider=provider, state=state, **fields, **counts)


def fold(merged: Merged, event: object) -> None:
    """Merge an event of ConverseStream (`metadata` carries the usage) or a chunk of an InvokeModel stream."""
    chunk = _decoded(pick(pick(event, "chunk"), "bytes")) or event
    if items(chunk, "choices"):
        _openai_stream.fold(merged, chunk)
    else:
        _anthropic.fold(merged, chunk)
    if (sonic := _sonic(chunk)) is not None:  # running totals
        merged |= {**sonic, FINISHED: True}
    merged |= {name: value for name in _CHUNK_COUNTS if (value := pick(chunk, name)) is not None}
    metadata = pick(chunk, "metadata")
    merged |= {name: value for name in _METADATA if (value := pick(metadata, name)) is not None}
    for name in _EXCEPTIONS:
        if pick(event, name) is not None:
            merged |= {"status": "failed", "error": {"code": name}}
    if pick(chunk, _METRICS) is not None or pick(metadata, "usage") is not None:
        merged[FINISHED] = True


def has_output(event: object) -> bool:
    """Return whether the event carries output."""
    return pick(event, "contentBlockDelta", "chunk") is not None


def _sonic(payload: object) -> dict[str, Any] | None:
    """Return a `usageEvent` of Nova Sonic, whose totals are those of the session so far, in OpenAI's layout."""
    event = pick(pick(payload, "event") or payload, "usageEvent")
    if event is None:
        return None
    spoken = pick(pick(event, "details"), "total")
    details = {side: {"audio_tokens": pick(pick(spoken, side), "speechTokens") or 0} for side in ("input", "output")}
    usage = {
        "input_tokens": pick(event, "totalInputTokens"),
        "output_tokens": pick(event, "totalOutputTokens"),
        "total_tokens": pick(event, "totalTokens"),
        "input_tokens_details": details["input"],
        "output_tokens_details": details["output"],
    }
    return {"usage": usage, "id": pick(event, "completionId")}


Reader = Callable[[Tally, object, object], dict[str, Any]]


def _reader(body: object, usage: object) -> Reader:
    """Return the reader for the vendor's format of this body."""
    if pick(usage, "inputTokens", "outputTokens") is not None:
        return _converse
    if has_openai_layout(usage) or pick(usage, "completion_tokens") is not None:
        return lambda tally, _, usage: tokens(tally, usage)
    if usage is not None:
        return lambda tally, _, usage: _anthropic.tokens(tally, usage)
    return _flat


def _converse(tally: Tally, _: object, usage: object) -> dict[str, int]:
    uncached, output = tally.count(usage, "inputTokens"), tally.count(usage, "outputTokens")
    by_ttl = {text(pick(each, "ttl")): tally.count(each, "inputTokens") for each in items(usage, "cacheDetails")}
    written = tally.count(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    counts = _disjoint(
        uncached,
        output,
        tally.count(usage, "cacheReadInputTokens", "cacheReadInputTokenCount"),
        tally.writes(written, by_ttl.get("5m"), by_ttl.get("1h")),
    )
    total = tally.count(usage, "totalTokens")
    # Models without prompt caching, and some gateways, exclude cached tokens from the total.
    if total is not None and total not in (sum(counts.values()), (uncached or 0) + (output or 0)):
        tally.faults.append(NOT_THE_SUM)
    return counts


def _flat(tally: Tally, body: object, _: object) -> dict[str, int]:
    """Llama and Titan report counts at the top level of the body; an embedding has no output."""
    prompt = tally.count(body, "prompt_token_count", "inputTextTokenCount")
    output = tally.count(body, "generation_token_count")
    results = [tally.count(each, "tokenCount") for each in items(body, "results")]
    if output is None and results:
        output = sum(count or 0 for count in results)
    if output is None and pick(body, "embedding", "embeddingsByType") is not None:
        output = 0
    return _disjoint(prompt, output, None, (0, 0))


def _bedrock_counts(tally: Tally, body: object, headers: dict[str, Any]) -> dict[str, int]:
    """Return the counts that Bedrock adds: metrics in the last chunk of a stream, or response headers."""
    metrics = pick(body, _METRICS)

    def count(metric: str, header: str) -> int | None:
        from_metrics = tally.count(metrics, metric)
        return tally.count(headers, _HEADER + header) if from_metrics is None else from_metrics

    return _disjoint(
        count("inputTokenCount", "input-token-count"),
        count("outputTokenCount", "output-token-count"),
        count("cacheReadInputTokenCount", "cache-read-input-token-count"),
        (count("cacheWriteInputTokenCount", "cache-write-input-token-count") or 0, 0),
    )


def _disjoint(uncached: int | None, output: int | None, cached: int | None, writes: tuple[int, int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    if uncached is not None:
        counts |= {"input_tokens": uncached, "cache_read_tokens": cached or 0}
        counts |= {"cache_write_5m_tokens": writes[0], "cache_write_1h_tokens": writes[1]}
    if output is not None:
        counts["output_tokens"] = output
    return counts


def _guardrail_units(section: object) -> Iterator[str]:
    """Yield the names of text units that a guardrail charged; word filters are free."""
    for name, value in fields_of(section).items():
        if name.endswith("PolicyUnits") and name != "wordPolicyUnits" and value:
            yield name
        for inner in value if isinstance(value, list) else (value,):
            yield from _guardrail_units(inner)


def _headers(payload: object) -> dict[str, Any]:
    found = pick(pick(payload, "ResponseMetadata"), "HTTPHeaders")
    lower = {str(name).lower(): found[name] for name in found} if isinstance(found, Mapping) else {}
    return {name: value for name, value in lower.items() if name.startswith(_HEADER)}


def _tier(body: object, headers: dict[str, Any]) -> str:
    if pick(pick(body, "performanceConfig"), "latency") == "optimized":
        return "latency_optimized"
    return tier(pick(pick(body, "serviceTier"), "type") or headers.get(_HEADER + "service-tier"))


def _decoded(body: object) -> Any:
    """Return the body if the caller has read it, else None: a stream is never consumed here."""
    if isinstance(body, (bytes, bytearray, str)):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return None
    return body if isinstance(body, dict) else None


BEDROCK = Dialect(provider="bedrock", read=read, fold=fold, has_output=has_output)
