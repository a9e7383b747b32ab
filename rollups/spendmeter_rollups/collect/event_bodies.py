"""Split the body of `POST /v1/events` into events: one, an array, NDJSON, or CloudEvents 1.0 in any of its modes."""

from __future__ import annotations

import zlib
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import cramjam
from pydantic_core import from_json

from spendmeter_events.normalize.record import InvalidRecord
from spendmeter_rollups.problems import Problem

MOST_EVENT_BODY_BYTES: Final = 4 * 2**20
"""Limit of a body as sent, and again after decompression."""
MOST_LOG_BODY_BYTES: Final = 20 * 2**20
"""The same for spans and LiteLLM's payloads, which may contain prompts. OTLP suggests this limit."""
MOST_EVENTS: Final = 10_000
_GZIP: Final = 31
_MOST_MEMBERS: Final = 100
"""Each copies the rest of the body."""
_BATCH: Final = "application/cloudevents-batch"
_STRUCTURED: Final = "application/cloudevents"


def decompressed(body: bytes, encoding: str, *, most: int = MOST_EVENT_BODY_BYTES) -> bytes:
    """Return the body without its Content-Encoding. Raises `Problem`: 413 above `most` bytes, 415 or 400."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _inflated(body, most)
        case "zstd":
            return _unpacked(body, most)
        case other:
            detail = f"Content-Encoding {other[:40]!r} is not supported: use gzip, zstd or none"
            raise Problem(status=415, kind="unsupported-encoding", title="Unsupported encoding", detail=detail)


def contents(body: bytes, headers: Mapping[str, str]) -> list[Any]:
    """Return the JSON value of each event, or an `InvalidRecord` for a line that is not JSON.

    Raises `Problem`: 413 for too many events, 400 for none.

    Content types are a hint at most: some senders declare NDJSON as `application/json`.
    """
    found = values_of(body)
    if "ce-specversion" in headers and not headers.get("content-type", "").lower().startswith((_BATCH, _STRUCTURED)):
        attributes = _attributes(headers)
        found = [_enveloped(value, attributes, alone=len(found) == 1) for value in found]
    return found


def _enveloped(value: Any, attributes: Mapping[str, str], *, alone: bool) -> Any:
    if isinstance(value, InvalidRecord):
        return value
    if not alone and not (isinstance(value, dict) and value.get("event_id")):
        # With the one id of the headers, all but the first would be duplicates.
        return InvalidRecord("batch", "several events with one ce-id: send each with an event_id", field="event_id")
    return {**attributes, "data": value}


def values_of(body: bytes) -> list[Any]:
    """Return the JSON values of a body: one, those of an array, or one per line.

    Raises `Problem`: 413 for too many values, 400 for none.
    """
    # RFC 8259 permits readers to ignore a byte order mark, which programs of Windows write.
    text = body.removeprefix(BOM_UTF8).strip()
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        # Count before parsing: reading millions of lines takes seconds.
        return [_line(line) for line in _bounded([line for line in text.splitlines() if line.strip()])]
    return _bounded(value) if isinstance(value, list) else [value]


def _bounded(found: list[Any]) -> list[Any]:
    if not found:
        raise _invalid("the body has no events: send a JSON object, an array of them, or one per line (NDJSON)")
    if len(found) > MOST_EVENTS:
        raise _too_large(f"the body has more than {MOST_EVENTS} events")
    return found


def _line(line: bytes) -> Any:
    try:
        return from_json(line, allow_inf_nan=False)
    except ValueError:
        return InvalidRecord("not_json", "not JSON")


def _attributes(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of a CloudEvent in binary mode: headers with percent-encoded UTF-8."""
    names = (name for name in headers if name.startswith("ce-"))
    return {name.removeprefix("ce-"): unquote(headers[name].strip().strip('"')) for name in names}


def _inflated(body: bytes, most: int) -> bytes:
    """Return the contents of all members: RFC 1952 permits several, as `cat a.gz b.gz` writes."""
    found, rest = bytearray(), body
    for _ in range(_MOST_MEMBERS):
        stream = zlib.decompressobj(_GZIP)
        try:
            found += stream.decompress(rest, most + 1 - len(found))
        except zlib.error:
            raise _damaged("gzip") from None
        if len(found) > most:
            raise _too_large(f"the body has more than {most} bytes without compression")
        if not stream.eof:
            raise _damaged("gzip")
        rest = stream.unused_data
        if not rest:
            return bytes(found)
    raise _too_large(f"the body has more than {_MOST_MEMBERS} gzip members")


def _unpacked(body: bytes, most: int) -> bytes:
    buffer = bytearray(most)
    try:
        return bytes(memoryview(buffer)[: cramjam.zstd.decompress_into(body, buffer)])
    except cramjam.DecompressionError as error:
        if "whole buffer" in str(error):
            raise _too_large(f"the body has more than {most} bytes without compression") from None
        raise _damaged("zstd") from None


def _damaged(encoding: str) -> Problem:
    return _invalid(f"the body is not valid {encoding}")


def _invalid(detail: str) -> Problem:
    return Problem(status=400, kind="invalid-body", title="Invalid body", detail=detail)


def _too_large(detail: str) -> Problem:
    return Problem(status=413, kind="body-too-large", title="Body too large", detail=f"{detail}: send several requests")
