"""Iterators that pass a stream through as it is, and tell its call what happened to it."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from spendmeter_events.extract._payload import items, pick
from spendmeter_events.instrument._call import Call


class MeteredIterator:
    """Reads as lazily as what it wraps; every chunk and every exception passes through unchanged."""

    def __init__(self, inner: Iterator[Any], call: Call) -> None:
        self._inner = inner
        self._call = call
        self._reading = False

    def __iter__(self) -> MeteredIterator:
        return self

    def __next__(self) -> Any:
        self._reading = True
        self._call.reached()
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
        """Closes what is wrapped."""
        try:
            getattr(self._inner, "close", _nothing)()
        finally:
            self._call.abandon()

    def closed(self) -> None:
        """The response below was closed: by the caller, unless that is part of reading its end."""
        if not self._reading:
            self._call.abandon()


class MeteredAsyncIterator:
    """The same for `async for`."""

    def __init__(self, inner: AsyncIterator[Any], call: Call) -> None:
        self._inner = inner
        self._call = call
        self._reading = False

    def __aiter__(self) -> MeteredAsyncIterator:
        return self

    async def __anext__(self) -> Any:
        self._reading = True
        self._call.reached()
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
        """Closes what is wrapped."""
        try:
            await getattr(self._inner, "aclose", _nothing_async)()
        finally:
            self._call.abandon()

    def closed(self) -> None:
        """The response below was closed: by the caller, unless that is part of reading its end."""
        if not self._reading:
            self._call.abandon()


def after(target: Any, name: str, then: Callable[[Any], None], *, before: Callable[[], None] | None = None) -> None:
    """Has `before()` precede and `then(result)` follow the calls of this object's method."""
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
    """Has the bound method `then()` follow the closing of a response.

    `then` is held weakly: garbage is closed by finalizers, and those are no place to emit from. The hook goes
    when it has served, so that no cycle keeps the response alive.
    """
    name = "aclose" if is_async else "close"
    follow = weakref.WeakMethod(then)

    def closed(_: object) -> None:
        if (alive := follow()) is not None:
            alive()

    after(response, name, closed, before=lambda: vars(response).pop(name, None))


def _hidden(chunk: object, call: Call) -> bool:
    """Takes the chunk that only the meter asked for out of the stream, having read it."""
    if not call.hides_usage or pick(chunk, "usage") is None or pick(chunk, "choices") is None:
        return False
    if items(chunk, "choices"):
        return False
    call.chunk(chunk)
    return True


def _nothing() -> None:
    """Most iterators have nothing to close."""


async def _nothing_async() -> None:
    """Most iterators have nothing to close."""
