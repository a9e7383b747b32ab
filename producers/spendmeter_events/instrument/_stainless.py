"""The OpenAI and Anthropic SDKs: both send every call through `client.request(cast_to, options, …)`.

That one place sees what all their helpers do (`parse`, `stream`, `with_raw_response`, retries), and returns what
the caller gets.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from spendmeter_events.instrument._call import Call, Meter
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
"""The paths that are billed by use, and the event's `service`. All others are passed through unmetered."""

_KEPT: Final = ("model", "voice", "size", "quality")
_ORIGINAL: Final = "_spendmeter_original"


def instrument_stainless(client: Any, meter: Meter) -> None:
    """Meters this client, and the copies that it makes of itself. Done again, the later meter replaces the first."""
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


def _begin(meter: Meter, options: Any, kwargs: Mapping[str, Any]) -> tuple[Call | None, Any]:
    """The call, if this request is billed by use, and the options to send."""
    path = str(getattr(options, "url", "")).split("?", 1)[0]
    service = SERVICES.get(path)
    if service is None or str(getattr(options, "method", "")).lower() != "post":
        return None, options
    body = getattr(options, "json_data", None)
    body = body if isinstance(body, Mapping) else {}
    # What the extractors may need later; the prompt is not among it, save the text that speech is billed by.
    kept = {name: body[name] for name in _KEPT if name in body}
    if service == "speech":
        kept["input"] = body.get("input")
    call = meter.call(service=service, request=kept, streamed=bool(kwargs.get("stream")))
    if call.streamed and meter.stream_usage and path in ("/chat/completions", "/completions"):
        options = _asking_for_usage(call, options, body)
    return call, options


def _asking_for_usage(call: Call, options: Any, body: Mapping[str, Any]) -> Any:
    wanted = body.get("stream_options")
    wanted = wanted if isinstance(wanted, Mapping) else {}
    if "include_usage" in wanted:
        return options  # the caller has decided
    call.hides_usage = True
    asking = {**body, "stream_options": {**wanted, "include_usage": True}}
    return options.model_copy(update={"json_data": asking})


def _attach(call: Call, result: Any) -> None:
    """Follows what the caller gets, whatever it is; an SDK that has changed costs the metering, never the call."""
    try:
        if call.streamed and hasattr(result, "_iterator"):
            _attach_stream(call, result)
        elif hasattr(result, "http_request") and hasattr(result, "parse"):
            _attach_raw(call, result)
        else:
            call.complete(result)
    except Exception:
        call.complete(None)


def _attach_stream(call: Call, stream: Any) -> None:
    inner = stream._iterator
    if isinstance(inner, (MeteredIterator, MeteredAsyncIterator)):
        return  # parsed twice
    is_async = hasattr(inner, "__anext__")
    metered = MeteredAsyncIterator(inner, call) if is_async else MeteredIterator(inner, call)
    stream._iterator = metered
    after_close(stream.response, metered.closed, is_async=is_async)


def _attach_raw(call: Call, raw: Any) -> None:
    """`with_raw_response` and `with_streaming_response`: the caller parses, or reads the bytes, if at all."""
    response = raw.http_response
    if getattr(response, "is_stream_consumed", False) and not call.streamed:
        is_json = "json" in response.headers.get("content-type", "")
        call.complete(json.loads(response.content) if is_json else None)
        return
    unparsed = _Unparsed(call)
    after(raw, "parse", unparsed.parsed, before=unparsed.parse)
    after_close(response, unparsed.closed, is_async=inspect.iscoroutinefunction(type(raw).parse))


class _Unparsed:
    """A raw response whose body is still to come: parsed by the SDK, or taken as bytes by the caller."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._parsing = False

    def parse(self) -> None:
        """The SDK begins to parse, which closes the response on the way."""
        self._parsing = True

    def parsed(self, value: object) -> None:
        """What the SDK made of it."""
        _attach(self._call, value)

    def closed(self) -> None:
        """Closed unparsed: the bytes went to the caller, and what they told is not known here."""
        if not self._parsing:
            self._call.complete(None)
