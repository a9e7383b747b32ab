"""Handle a path with a trailing slash like the path without it. A redirect would repeat the client's Host header."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class TrailingSlash:
    """Drop one trailing slash of the path. An encoded one (%2F) is part of an id and is kept."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        if scope["type"] == "http" and _is_extra(scope):
            scope["path"] = scope["path"][:-1]
            scope["raw_path"] = scope["raw_path"][:-1]
        await self._app(scope, receive, send)


def _is_extra(scope: Scope) -> bool:
    raw: bytes = scope.get("raw_path") or b""
    return len(raw) > 1 and raw.endswith(b"/") and not raw.endswith(b"//") and scope["path"].endswith("/")
