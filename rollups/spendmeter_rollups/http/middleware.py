"""Request ids, request logs without personal data, and request metrics."""

from __future__ import annotations

import logging
import re
import time
from typing import Final
from uuid import uuid4

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spendmeter_rollups.http.metrics import ServiceMetrics
from spendmeter_rollups.problems import internal_error

log = logging.getLogger("spendmeter.http")

_PROBES: Final = ("/healthz", "/readyz", "/metrics")
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_OTHER: Final = "other"
"""Label of an unknown method or path: arbitrary values must not become series or log fields."""
_REQUEST_ID: Final = re.compile(r"^[A-Za-z0-9._-]{1,64}$")


class RequestLogMiddleware:
    """Count and log requests. Logs contain route templates, never paths or parameters, which may identify people."""

    def __init__(self, app: ASGIApp, *, metrics: ServiceMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status, started = 500, False

        async def send_observed(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with self._metrics.in_progress.track_inprogress():
            try:
                await self._app(scope, receive, send_observed)
            except ClientDisconnect:
                # Of a request whose body is incomplete: no client reads an answer, and the service has not failed.
                status = 499
            except Exception:
                # The server logs the exception. The client gets a problem answer without the cause.
                if not started:
                    await internal_error(scope)(scope, receive, send_observed)
                raise
            finally:
                self._record(scope, request_id, status, time.perf_counter() - started_at)

    def _record(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", _OTHER)
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        self._metrics.requests.labels(method, route, f"{status // 100}xx").inc()
        self._metrics.seconds.labels(route).observe(seconds)
        # Probes and scrapes arrive every few seconds and are not usage of the API.
        log.log(
            logging.DEBUG if route in _PROBES else logging.INFO,
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
    """Return the caller's X-Request-ID if it is well-formed, else a new id."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.match(value.decode("latin-1")):
            return str(value.decode("latin-1"))
    return uuid4().hex
