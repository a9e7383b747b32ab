"""Answer HEAD wherever GET is answered: the same status and headers, without a body. FastAPI does not."""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _HeadersSentError(OSError):
    """Ends a streamed response, as a disconnected client does."""


class HeadRequests:
    """Run HEAD as GET, and stop at the first byte of the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        as_get = {**scope, "method": "GET"}
        complete = False

        async def send_head(message: Message) -> None:
            nonlocal complete
            if complete:
                raise _HeadersSentError
            if message["type"] == "http.response.body":
                complete = True
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            await self._app(as_get, receive, send_head)
        except (ClientDisconnect, _HeadersSentError):
            pass
        finally:
            # The request log reads the route.
            if "route" in as_get:
                scope["route"] = as_get["route"]
