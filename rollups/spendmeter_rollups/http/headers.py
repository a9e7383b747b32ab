"""Security headers of every response (OWASP, HTTP Security Response Headers). A route may set its own values."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTHING: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy of data: the browser loads and runs nothing."""

_HEADERS: Final = {
    b"x-content-type-options": b"nosniff",
    b"content-security-policy": NOTHING.encode(),
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"geolocation=(), camera=(), microphone=()",
    b"cache-control": b"no-store",
}


class SecurityHeaders:
    """Add each header that the response does not set.

    :param hsts_seconds: `max-age` of Strict-Transport-Security; 0 omits it, for a service reachable without TLS.
    """

    def __init__(self, app: ASGIApp, *, hsts_seconds: int) -> None:
        self._app = app
        hsts = {b"strict-transport-security": f"max-age={hsts_seconds}".encode()} if hsts_seconds else {}
        self._headers = _HEADERS | hsts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in self._headers.items() if name not in given]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
