"""Bounds of one request, checked before anything is parsed: its size must not decide what it costs."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from spendmeter_rollups.problems import Problem, render

MOST_BODY_BYTES: Final = 64 * 1024
"""A budget or a rate takes a few hundred."""
MOST_QUERY_BYTES: Final = 16 * 1024
MOST_PARAMETERS: Final = 500
_LONGEST_PATH: Final = 2048


class BoundedRequests:
    """Refuses a path or a query string that is too long with a 414 problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI request."""
        fault = _fault(scope) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        problem = Problem(status=414, kind="uri-too-long", title="URI too long", detail=fault)
        await render(Request({**scope, "path": scope["path"][:_LONGEST_PATH]}), problem)(scope, receive, send)


def _fault(scope: Scope) -> str | None:
    if len(scope["path"]) > _LONGEST_PATH:
        return f"the path has more than {_LONGEST_PATH} characters"
    query = scope["query_string"]
    if len(query) > MOST_QUERY_BYTES:
        return f"the query string has more than {MOST_QUERY_BYTES} bytes: give fewer values to a filter"
    if query.count(b"&") >= MOST_PARAMETERS:
        return f"there are more than {MOST_PARAMETERS} parameters: give fewer values to a filter"
    return None
