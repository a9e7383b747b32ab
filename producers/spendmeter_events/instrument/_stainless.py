"""The OpenAI and Anthropic SDKs: both send every call through `client.request(cast_to, options, …)`.

All helpers (`parse`, `stream`, `with_raw_response`, retries) go through this method, and it returns what the caller
receives.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from spendmeter_events.instrument._call import Meter, MeteredCall
from spendmeter_events.instrument._streams import (
    MeteredAsyncIterator,
    MeteredIterator,
    after,
    after_close,
)

SERVICES: Final = {
    "/chat/completions": "chat",
    "/completions": "chat",
    "/responses": "chat",
    "/responses/compact": "chat",
    "/embeddings": "embedding",
    "/images/generations": "image",
    "/images/edits": "image",
    "/images/variations": "image",
    "/audio/speech": "speech",
    "/audio/transcriptions": "transcription",
    "/audio/translations": "transcription",
    "/v1/messages": "chat",
}
"""Paths that are billed by usage, with the event's `service`. Other paths are not metered."""

_ID: Final = re.compile(r"/[^/]*[_\d][^/]*(?=/)")
_FREE: Final = ("/moderations", "/files", "/uploads", "/count_tokens", "/input_tokens", "/cancel", "/conversations")
"""Parts of paths that are not billed by tokens."""


def _is_billed(path: str) -> bool:
    return bool(path) and not any(part in path for part in _FREE)


_REQUEST_FIELDS: Final = ("model", "voice", "size", "quality")
_ORIGINAL: Final = "_spendmeter_original"


def instrument_stainless(client: Any, meter: Meter) -> None:
    """Instrument this client and the copies made from it. A second call replaces the first meter."""
    original = getattr(client.request, _ORIGINAL, client.request)
    wrapped = _async_request(original, meter) if inspect.iscoroutinefunction(original) else _request(original, meter)
    setattr(wrapped, _ORIGINAL, original)
    client.request = wrapped
    for name in ("copy", "with_options"):
        setattr(client, name, _copying(getattr(type(client), name), client, meter))


def _request(original: Callable[..., Any], meter: Meter) -> Callable[..., Any]:
    @functools.wraps(original)
    def request(cast_to: Any, options: Any, **kwargs: Any) -> Any:
        call, options = _begin(meter, options, kwargs)
        if call is None:
            return original(cast_to, options, **kwargs)
        try:
            result = original(cast_to, options, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        _attach(call, result)
        return result

    return request


def _async_request(original: Callable[..., Any], meter: Meter) -> Callable[..., Any]:
    @functools.wraps(original)
    async def request(cast_to: Any, options: Any, **kwargs: Any) -> Any:
        call, options = _begin(meter, options, kwargs)
        if call is None:
            return await original(cast_to, options, **kwargs)
        try:
            result = await original(cast_to, options, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        _attach(call, result)
        return result

    return request


def _copying(copy: Callable[..., Any], client: Any, meter: Meter) -> Callable[..., Any]:
    @functools.wraps(copy)
    def copied(*args: Any, **kwargs: Any) -> Any:
        new = copy(client, *args, **kwargs)
        instrument_stainless(new, meter)
        return new

    return copied


def _begin(meter: Meter, options: Any, kwargs: Mapping[str, Any]) -> tuple[MeteredCall | None, Any]:
    """Return the metered call (None if the request is not billed by usage) and the options to send."""
    path = str(getattr(options, "url", "")).split("?", 1)[0]
    service = SERVICES.get(path)
    if str(getattr(options, "method", "")).lower() != "post":
        return None, options
    if service is None:
        if _is_billed(path):
            meter.warn_unmetered(f"POST {_ID.sub('/…', path)}")
        return None, options
    body = getattr(options, "json_data", None)
    body = body if isinstance(body, Mapping) else {}
    # Fields that extractors may need. Never the prompt, except the text of speech, which is billed by characters.
    fields = {name: body[name] for name in _REQUEST_FIELDS if name in body}
    if service == "speech":
        fields["input"] = body.get("input")
    call = meter.call(service=service, request=fields, streamed=bool(kwargs.get("stream")))
    if call.streamed and meter.stream_usage and path in ("/chat/completions", "/completions"):
        options = _with_stream_usage(call, options, body)
    return call, options


def _with_stream_usage(call: MeteredCall, options: Any, body: Mapping[str, Any]) -> Any:
    given = body.get("stream_options")
    given = given if isinstance(given, Mapping) else {}
    if "include_usage" in given or not hasattr(options, "model_copy"):
        return options  # set by the caller, or a changed SDK
    call.hides_usage = True
    changed = {**body, "stream_options": {**given, "include_usage": True}}
    return options.model_copy(update={"json_data": changed})


def _attach(call: MeteredCall, result: Any) -> None:
    """Meter the result that the caller receives. An incompatible SDK version breaks the metering, never the call."""
    try:
        if call.streamed and hasattr(result, "_iterator"):
            _attach_stream(call, result)
        elif hasattr(result, "http_request") and hasattr(result, "parse"):
            _attach_raw(call, result)
        else:
            call.complete(result)
    except Exception:
        call.complete(None)


def _attach_stream(call: MeteredCall, stream: Any) -> None:
    inner = stream._iterator
    if isinstance(inner, (MeteredIterator, MeteredAsyncIterator)):
        return  # already attached: the caller parsed the response twice
    is_async = hasattr(inner, "__anext__")
    metered = MeteredAsyncIterator(inner, call) if is_async else MeteredIterator(inner, call)
    stream._iterator = metered
    after_close(stream.response, metered.closed, is_async=is_async)


def _attach_raw(call: MeteredCall, raw: Any) -> None:
    """Meter `with_raw_response` and `with_streaming_response`: the caller may parse the response or read its bytes."""
    response = raw.http_response
    if getattr(response, "is_stream_consumed", False) and not call.streamed:
        is_json = "json" in response.headers.get("content-type", "")
        call.complete(json.loads(response.content) if is_json else None)
        return
    unparsed = _Unparsed(call)
    after(raw, "parse", unparsed.parsed, before=unparsed.parse)
    after_close(response, unparsed.closed, is_async=inspect.iscoroutinefunction(type(raw).parse))


class _Unparsed:
    """A raw response that is not read yet: the SDK may parse it, or the caller may read its bytes."""

    def __init__(self, call: MeteredCall) -> None:
        self._call = call
        self._parsing = False

    def parse(self) -> None:
        """Record that the SDK starts to parse, which closes the response."""
        self._parsing = True

    def parsed(self, value: object) -> None:
        """Meter the parsed value."""
        _attach(self._call, value)

    def closed(self) -> None:
        """Complete the call without usage if the response was closed unparsed: only the caller has its bytes."""
        if not self._parsing:
            self._call.complete(None)
