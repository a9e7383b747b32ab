"""Iterators that pass a stream through unchanged and report its progress to the metered call."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from spendmeter_events.extract._sections.payload import items, pick
from spendmeter_events.instrument._call import MeteredCall


class MeteredIterator:
    """Wraps an iterator: as lazy as the original, with the same chunks and exceptions."""

    def __init__(self, inner: Iterator[Any], call: MeteredCall) -> None:
        self._inner = inner
        self._call = call
        self._reading = False

    def __iter__(self) -> MeteredIterator:
        return self

    def __next__(self) -> Any:
        self._reading = True
        self._call.sent()
        try:
            chunk = next(self._inner)
            while _hidden(chunk, self._call):
                chunk = next(self._inner)
        except StopIteration:
            self._call.finish()
            raise
        except BaseException as error:
            self._call.fail(error)
            raise
        finally:
            self._reading = False
        self._call.chunk(chunk)
        return chunk

    def close(self) -> None:
        """Close the wrapped iterator."""
        try:
            getattr(self._inner, "close", _no_close)()
        finally:
            self._call.abandon()

    def closed(self) -> None:
        """Handle the closing of the response: by the caller, unless the SDK closes it while reading the end."""
        if not self._reading:
            self._call.abandon()


class MeteredAsyncIterator:
    """Wraps an asynchronous iterator, like `MeteredIterator`."""

    def __init__(self, inner: AsyncIterator[Any], call: MeteredCall) -> None:
        self._inner = inner
        self._call = call
        self._reading = False

    def __aiter__(self) -> MeteredAsyncIterator:
        return self

    async def __anext__(self) -> Any:
        self._reading = True
        self._call.sent()
        try:
            chunk = await anext(self._inner)
            while _hidden(chunk, self._call):
                chunk = await anext(self._inner)
        except StopAsyncIteration:
            self._call.finish()
            raise
        except BaseException as error:
            self._call.fail(error)
            raise
        finally:
            self._reading = False
        self._call.chunk(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close the wrapped iterator."""
        try:
            await getattr(self._inner, "aclose", _no_close_async)()
        finally:
            self._call.abandon()

    def closed(self) -> None:
        """Handle the closing of the response: by the caller, unless the SDK closes it while reading the end."""
        if not self._reading:
            self._call.abandon()


def after(target: Any, name: str, then: Callable[[Any], None], *, before: Callable[[], None] | None = None) -> None:
    """Wrap a method of this object: call `before()` first and `then(result)` afterwards."""
    method = getattr(type(target), name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            before()
        result = method(target, *args, **kwargs)
        then(result)
        return result

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            before()
        result = await method(target, *args, **kwargs)
        then(result)
        return result

    setattr(target, name, call_async if inspect.iscoroutinefunction(method) else call)


def after_close(response: Any, then: Callable[[], None], *, is_async: bool) -> None:
    """Call the bound method `then()` after the response is closed.

    `then` is a weak reference: finalizers close garbage-collected responses, and must not emit events. The hook
    removes itself before it runs, so that no reference cycle keeps the response alive.
    """
    name = "aclose" if is_async else "close"
    reference = weakref.WeakMethod(then)

    def closed(_: object) -> None:
        if (callback := reference()) is not None:
            callback()

    after(response, name, closed, before=lambda: vars(response).pop(name, None))


def _hidden(chunk: object, call: MeteredCall) -> bool:
    """Return whether to hide this chunk, because only the instrumentation requested it; records it if so."""
    if not call.hides_usage or pick(chunk, "usage") is None or pick(chunk, "choices") is None:
        return False
    if items(chunk, "choices"):
        return False
    call.chunk(chunk)
    return True


def _no_close() -> None:
    """Do nothing: the default for iterators without a close method."""


async def _no_close_async() -> None:
    """Do nothing: the default for iterators without a close method."""
