"""The google-genai SDK: wrap `client.models` and `client.aio.models`, one event per request.

The generated `_generate_content` sends one request. The public method may call it several times (automatic function
calling) and returns only the usage of the last request.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from spendmeter_events.instrument._call import Meter
from spendmeter_events.instrument._streams import MeteredAsyncIterator, MeteredIterator

_METHODS: Final = (
    ("_generate_content", "generate_content", "chat"),
    ("embed_content", "embed_content", "embedding"),
    ("generate_images", "generate_images", "image"),
)
_STREAMS: Final = (("_generate_content_stream", "generate_content_stream", "chat"),)
_ORIGINAL: Final = "_spendmeter_original"
_UNMETERED: Final = (
    ("interactions", "create"),
    ("batches", "create"),
    ("models", "generate_videos"),
    ("models", "edit_image"),
    ("models", "upscale_image"),
    ("live", "connect"),
)
"""Methods that are billed and not metered."""


def instrument_google(client: Any, meter: Meter) -> None:
    """Instrument a `genai.Client`, including its async side. A second call replaces the first meter."""
    sides = (client, getattr(client, "aio", None))
    for models in {id(models): models for side in sides if (models := getattr(side, "models", None))}.values():
        for inner, public, service in _METHODS:
            _replace(models, inner, public, functools.partial(_call_method, meter, service))
        for inner, public, service in _STREAMS:
            _replace(models, inner, public, functools.partial(_call_stream, meter, service))
    for side in filter(None, sides):
        _log_unmetered(side, meter)


def _log_unmetered(side: Any, meter: Meter) -> None:
    """Log the first call of each billed method that is not metered."""
    for name, method in _UNMETERED:
        owner = vars(side).get(f"_{name}") or _attribute(side, name)
        original = getattr(getattr(owner, method, None), _ORIGINAL, getattr(owner, method, None))
        if original is not None:
            setattr(owner, method, _logging(original, meter, f"{name}.{method}"))


def _attribute(side: Any, name: str) -> Any:
    # A property of an experimental API may warn or fail when it is read.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(side, name, None)
    except Exception:
        return None


def _logging(original: Callable[..., Any], meter: Meter, name: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        meter.warn_unmetered(name)
        return original(*args, **kwargs)

    setattr(method, _ORIGINAL, original)
    return method


def _replace(models: Any, inner: str, public: str, wrap: Callable[[Any], Any]) -> None:
    name = inner if hasattr(models, inner) else public
    method = getattr(models, name, None)
    if method is None:
        return
    original = getattr(method, _ORIGINAL, method)
    wrapped = wrap(original)
    setattr(wrapped, _ORIGINAL, original)
    setattr(models, name, wrapped)


def _call_method(meter: Meter, service: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        call = meter.call(service=service, request=_request_of(kwargs))
        try:
            response = original(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        call.complete(response)
        return response

    @functools.wraps(original)
    async def method_async(*args: Any, **kwargs: Any) -> Any:
        call = meter.call(service=service, request=_request_of(kwargs))
        try:
            response = await original(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        call.complete(response)
        return response

    return method_async if inspect.iscoroutinefunction(original) else method


def _call_stream(meter: Meter, service: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(*args: Any, **kwargs: Any) -> Iterator[Any]:
        # The request is sent when the first chunk is read.
        call = meter.call(service=service, request=_request_of(kwargs), streamed=True, lazy=True)
        return _generator(MeteredIterator(original(*args, **kwargs), call))

    @functools.wraps(original)
    async def method_async(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        call = meter.call(service=service, request=_request_of(kwargs), streamed=True)
        try:
            stream = await original(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        return _async_generator(MeteredAsyncIterator(stream, call))

    return method_async if inspect.iscoroutinefunction(original) else method


def _generator(metered: MeteredIterator) -> Iterator[Any]:
    """A generator, as the SDK returns; closing it closes the SDK's stream."""
    yield from metered


async def _async_generator(metered: MeteredAsyncIterator) -> AsyncIterator[Any]:
    try:
        async for chunk in metered:
            yield chunk
    finally:
        await metered.aclose()


def _request_of(kwargs: dict[str, Any]) -> dict[str, object]:
    return {"model": kwargs.get("model")}
