"""Read the exports of other tools: a preset defines the columns of one export and how it counts tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, cast

from pydantic_core import from_json

from spendmeter_events.extract import from_openai
from spendmeter_events.normalize.cells import CellError, Convert, decimal, flag, time_in, whole

Cells = Mapping[str, Any]
_MOST_REQUESTS: Final = 1_000_000
"""Requests of one row of an OpenAI usage export; each is an event."""
_NO_UUID: Final = "00000000-0000-0000-0000-000000000000"
_INSTANT: Final = time_in(UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Preset(StrEnum):
    """An export that `spendmeter import --format` reads without a mapping of its columns."""

    HELICONE = "helicone"
    LITELLM = "litellm"
    OPENAI_USAGE = "openai-usage"


class NotACall(Exception):
    """The row is not a call of a provider: an answer from a gateway's own cache, or a bucket without requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetReader:
    """How to read one export."""

    required: Sequence[str]
    """Columns without which a file is not this export."""
    fields: Sequence[str]
    """Event fields that it fills; a mapping may replace them."""
    id_column: str | None
    """The column that identifies a row; None if `read` returns `id`."""
    read: Callable[[Cells, bool | None], Iterator[dict[str, Any]]]
    """Yield field → cell of each call of a row; the argument is `EventMapping.input_includes_cache`."""
    undeclared: str = ""
    """Why `input_includes_cache` must be declared; empty if the export always counts in the same way."""


def _helicone(cells: Cells, includes_cache: bool | None) -> Iterator[dict[str, Any]]:
    if cells.get("cache_reference_id") not in (None, "", _NO_UUID):
        raise NotACall("answered from Helicone's cache")
    provider = _text(cells, "provider").lower()
    # Anthropic reports cached tokens separately, and Helicone copies its counts.
    yield {
        **_helicone_counts(cells, inclusive=bool(includes_cache) and provider != "anthropic"),
        "occurred_at": cells.get("request_created_at"),
        "provider": provider,
        "model": _first(cells, "response_model", "model", "request_model"),
        "user_id": _first(cells, "request_user_id", "helicone_user"),
        "request_id": cells.get("request_id"),
        "latency_ms": cells.get("delay_ms"),
        "ttft_ms": cells.get("time_to_first_token"),
        **_http_outcome(cells),
    }


def _helicone_counts(cells: Cells, *, inclusive: bool) -> dict[str, int]:
    prompt, output = _count(cells, "prompt_tokens"), _count(cells, "completion_tokens")
    audio, output_audio = _count(cells, "prompt_audio_tokens"), _count(cells, "completion_audio_tokens")
    read, write = _count(cells, "prompt_cache_read_tokens"), _count(cells, "prompt_cache_write_tokens")
    if inclusive:
        prompt = _rest("prompt_tokens", prompt, read, write, audio)
        output = _rest("completion_tokens", output, output_audio)
    return {
        "input_tokens": prompt,
        "cache_read_tokens": read,
        "cache_write_5m_tokens": write,
        "input_audio_tokens": audio,
        "output_tokens": output,
        "output_audio_tokens": output_audio,
    }


def _litellm(cells: Cells, includes_cache: bool | None) -> Iterator[dict[str, Any]]:
    if _text(cells, "cache_hit").lower() == "true":
        raise NotACall("answered from LiteLLM's cache")
    provider = _text(cells, "custom_llm_provider").lower()
    counts = _litellm_counts(cells, provider, includes_cache)
    tags = {f"tags.{name}": value for name, value in counts.pop("tags", {}).items()}
    # Failures are logged without usage.
    failed = _text(cells, "status").lower() == "failure"
    yield {
        **counts,
        **tags,
        "occurred_at": cells.get("startTime"),
        "provider": provider,
        "model": _text(cells, "model").removeprefix(f"{provider}/"),
        "user_id": _first(cells, "end_user", "user"),
        "conversation_id": cells.get("session_id"),
        "request_id": cells.get("request_id"),
        "latency_ms": _between(cells, "startTime", "endTime"),
        "ttft_ms": _first_token(cells),
        **({"status": "error", "tags.usage": ""} if failed else {}),
    }


def _litellm_counts(cells: Cells, provider: str, includes_cache: bool | None) -> dict[str, Any]:
    usage = _usage_object(cells)
    if usage is None:
        usage = {name: _count(cells, name) for name in ("prompt_tokens", "completion_tokens")}
        if usage["prompt_tokens"] and includes_cache is not False:
            raise CellError(
                "metadata: no usage_object, so the cached part of prompt_tokens is unknown; declare"
                " --input-excludes-cache to price all of it at the full rate"
            )
    spend = _parsed(cells, "spend", decimal) if _has(cells, "spend") else 0.0
    body = {"usage": usage, **({"response_cost": spend} if spend else {})}
    return from_openai(body, provider=provider).as_fields()


def _openai_usage(cells: Cells, _: bool | None) -> Iterator[dict[str, Any]]:
    totals, requests = _openai_counts(cells), _count(cells, "num_model_requests")
    if not requests and not any(totals.values()):
        raise NotACall("a bucket without requests")
    if not 0 < requests <= _MOST_REQUESTS:
        raise CellError(f"num_model_requests: not between 1 and {_MOST_REQUESTS}")
    if not _text(cells, "model"):
        raise CellError("model: empty; group the export by model")
    names = ("start_time", "end_time", "project_id", "user_id", "api_key_id", "model", "batch", "service_tier")
    key = [_text(cells, name) for name in names]
    batch = _has(cells, "batch") and _parsed(cells, "batch", flag)
    tier = _text(cells, "service_tier").lower()
    shared = {
        "occurred_at": cells.get("start_time"),
        "provider": "openai",
        "model": cells.get("model"),
        "user_id": cells.get("user_id"),
        "service_tier": "batch" if batch else "" if tier == "default" else tier,
    }
    for number in range(requests):
        yield {**shared, **_share(totals, requests, number), "id": json.dumps([*key, number])}


def _openai_counts(cells: Cells) -> dict[str, int]:
    for name in ("input_image_tokens", "output_image_tokens", "input_cache_write_tokens"):
        if _count(cells, name):
            raise CellError(f"{name}: not imported, because the export does not define which count includes it")
    cached, cached_audio = _count(cells, "input_cached_tokens"), _count(cells, "input_cached_audio_tokens")
    return {
        "input_tokens": _rest("input_tokens", _count(cells, "input_tokens"), cached),
        "cache_read_tokens": cached,
        "output_tokens": _count(cells, "output_tokens"),
        "input_audio_tokens": _rest("input_audio_tokens", _count(cells, "input_audio_tokens"), cached_audio),
        "cache_read_audio_tokens": cached_audio,
        "output_audio_tokens": _count(cells, "output_audio_tokens"),
    }


READERS: Final[Mapping[Preset, PresetReader]] = {
    Preset.HELICONE: PresetReader(
        required=("request_created_at", "request_id", "provider", "prompt_tokens", "prompt_cache_read_tokens"),
        fields=("occurred_at", "provider", "model"),
        id_column="request_id",
        read=_helicone,
        undeclared="prompt_tokens includes prompt_cache_read_tokens in rows of older versions of Helicone and excludes"
        " them in newer ones",
    ),
    Preset.LITELLM: PresetReader(
        required=("request_id", "startTime", "custom_llm_provider", "model", "prompt_tokens", "completion_tokens"),
        fields=("occurred_at", "provider", "model"),
        id_column="request_id",
        read=_litellm,
    ),
    Preset.OPENAI_USAGE: PresetReader(
        required=("start_time", "model", "input_tokens", "input_cached_tokens", "output_tokens", "num_model_requests"),
        fields=("occurred_at", "provider", "model"),
        id_column=None,
        read=_openai_usage,
    ),
}


def _text(cells: Cells, name: str) -> str:
    value = cells.get(name)
    return "" if value is None else str(value).strip()


def _first(cells: Cells, *names: str) -> str:
    return next((value for name in names if (value := _text(cells, name))), "")


def _count(cells: Cells, name: str) -> int:
    count = cast(int, _parsed(cells, name, whole)) if _has(cells, name) else 0
    if count < 0:
        raise CellError(f"{name}: negative")
    return count


def _has(cells: Cells, name: str) -> bool:
    return cells.get(name) not in (None, "")


def _parsed(cells: Cells, name: str, convert: Convert) -> object:
    try:
        return convert(cells[name])
    except CellError as error:
        raise CellError(f"{name}: {error}") from error


def _rest(name: str, total: int, *parts: int) -> int:
    if sum(parts) > total:
        raise CellError(f"{name}: smaller than its cached and audio tokens, so it does not include them")
    return total - sum(parts)


def _share(totals: Mapping[str, int], requests: int, number: int) -> dict[str, int]:
    """Return the counts of one of `requests` calls: equal parts, whose sum is `totals`."""
    return {name: total // requests + (number < total % requests) for name, total in totals.items()}


def _http_outcome(cells: Cells) -> dict[str, str]:
    status = cast(int, _parsed(cells, "response_status", whole)) if _has(cells, "response_status") else 200
    return {} if 200 <= status < 300 else {"status": "error", "error_type": f"http_{status}"}


def _usage_object(cells: Cells) -> Mapping[str, Any] | None:
    metadata = cells.get("metadata")
    if isinstance(metadata, str) and metadata:
        try:
            metadata = from_json(metadata)
        except ValueError as error:
            raise CellError("metadata: not JSON") from error
    usage = metadata.get("usage_object") if isinstance(metadata, Mapping) else None
    return usage if isinstance(usage, Mapping) and usage else None


def _first_token(cells: Cells) -> int | str:
    # LiteLLM sets it to the end of calls that were not streamed.
    streamed = cells.get("completionStartTime") not in (None, "", cells.get("endTime"))
    return _between(cells, "startTime", "completionStartTime") if streamed else ""


def _between(cells: Cells, start: str, end: str) -> int | str:
    if not _has(cells, start) or not _has(cells, end):
        return ""
    first, last = (cast(datetime, _parsed(cells, name, _INSTANT)) for name in (start, end))
    return max(0, (last - first) // _MILLISECOND)
