"""Around every request: an id, a log line without personal data, and metrics."""

from __future__ import annotations

import logging
import re
import time
from typing import Final
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spendmeter_rollups.http.metrics import ServiceMetrics
from spendmeter_rollups.problems import failure

log = logging.getLogger("spendmeter.http")

_WATCHED: Final = ("/healthz", "/readyz", "/metrics")
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_OTHER: Final = "other"
"""Label of a method or path that the service does not know: made-up ones must not become series or log fields."""
_REQUEST_ID: Final = re.compile(r"^[A-Za-z0-9._-]{1,64}$")


class RequestLogMiddleware:
    """Counts and logs. The log has route templates, never paths or parameters: those may name people."""

    def __init__(self, app: ASGIApp, *, metrics: ServiceMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status, started = 500, False

        async def observed(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with self._metrics.in_progress.track_inprogress():
            try:
                await self._app(scope, receive, observed)
            except Exception:
                # The server logs it. The client learns no more than that it happened, in the form of every refusal.
                if not started:
                    await failure(scope)(scope, receive, observed)
                raise
            finally:
                self._record(scope, request_id, status, time.perf_counter() - began)

    def _record(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", _OTHER)
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        self._metrics.requests.labels(method, route, f"{status // 100}xx").inc()
        self._metrics.seconds.labels(route).observe(seconds)
        # Who watches the service asks every few seconds, and says nothing about its use.
        log.log(
            logging.DEBUG if route in _WATCHED else logging.INFO,
            "request",
            extra={
                "request_id": request_id,
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
            },
        )


def _request_id(scope: Scope) -> str:
    """The caller's own id where it is harmless, so that one id follows a request through several services."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.match(value.decode("latin-1")):
            return str(value.decode("latin-1"))
    return uuid4().hex
