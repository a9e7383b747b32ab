"""Size and time limits of one request, checked before anything is parsed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spendmeter_rollups.problems import Problem, ProblemWhileReading, render

MOST_BODY_BYTES: Final = 64 * 1024
"""A budget or a rate needs a few hundred."""
MOST_QUERY_BYTES: Final = 16 * 1024
MOST_PARAMETERS: Final = 500
BODY_SECONDS: Final = 20.0
"""Maximum time to receive a body."""
_LONGEST_PATH: Final = 2048
_DIGITS: Final = 10


class BoundedRequests:
    """Reject oversized requests with a 413 or 414 problem, and a body that arrives too slowly with a 408."""

    def __init__(self, app: ASGIApp, *, larger: Mapping[str, int] = MappingProxyType({})) -> None:
        self._app = app
        self._larger = larger
        """Path → maximum size of its body in bytes, where it differs from `MOST_BODY_BYTES`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        most = self._larger.get(scope.get("path", ""), MOST_BODY_BYTES)
        fault = _fault(scope, most) if scope["type"] == "http" else None
        if fault is not None:
            request = Request({**scope, "path": scope["path"][:_LONGEST_PATH]})
            await render(request, fault)(scope, receive, send)
            return
        await self._app(scope, _bounded(receive, most) if scope["type"] == "http" else receive, send)


def _bounded(receive: Receive, most: int) -> Receive:
    """Wrap `receive` with limits for a body of unknown length."""
    deadline = asyncio.get_running_loop().time() + BODY_SECONDS
    read, complete = 0, False

    async def bounded() -> Message:
        nonlocal read, complete
        if complete:
            # The next message is the disconnect, which may come as late as the end of the response.
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise ProblemWhileReading(_too_slow()) from None
        read += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if read > most:
            raise ProblemWhileReading(_too_large(most))
        return message

    return bounded


def _fault(scope: Scope, most: int) -> Problem | None:
    query = scope["query_string"]
    if len(scope["path"]) > _LONGEST_PATH:
        return _too_long(f"the path has more than {_LONGEST_PATH} characters")
    if len(query) > MOST_QUERY_BYTES:
        return _too_long(f"the query string has more than {MOST_QUERY_BYTES} bytes: use fewer filter values")
    if query.count(b"&") >= MOST_PARAMETERS:
        return _too_long(f"the query string has more than {MOST_PARAMETERS} parameters: use fewer filter values")
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if length.isdigit() and len(length) < _DIGITS and int(length) <= most:
        return None
    return _too_large(most)


def _too_large(most: int) -> Problem:
    detail = f"the body has more than {most} bytes"
    return Problem(status=413, kind="body-too-large", title="Body too large", detail=detail)


def _too_slow() -> Problem:
    detail = f"the body did not arrive within {BODY_SECONDS:.0f} s"
    return Problem(status=408, kind="body-too-slow", title="Body too slow", detail=detail)


def _too_long(detail: str) -> Problem:
    return Problem(status=414, kind="uri-too-long", title="URI too long", detail=detail)
