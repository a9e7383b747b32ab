"""The worker's HTTP server: `/healthz`, `/readyz` and `/metrics`. Starts before Kafka is reachable, stops last."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import mode
from aiohttp import hdrs, web
from prometheus_client import REGISTRY

from spendmeter_clickhouse.exposition import CONTENT_TYPE, bears, exposition
from spendmeter_clickhouse.urls import is_loopback
from spendmeter_stream.errors import SetupError
from spendmeter_stream.runtime.readiness import ENDING, WorkerReadiness

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_SHUTDOWN_SECONDS: Final = 1.0


class WorkerWeb(mode.Service):
    """An HTTP server on the worker's event loop, so that a response proves that the loop is running."""

    mundane_level = "debug"

    def __init__(
        self,
        *,
        address: Callable[[], tuple[str, int]],
        readiness: WorkerReadiness,
        metrics_token: str = "",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._token = metrics_token
        self._local = False
        self._address = address
        self._readiness = readiness
        self._runner: web.AppRunner | None = None

    async def on_start(self) -> None:
        """Bind the address and listen.

        :raises SetupError: the address cannot be bound.
        """
        app = web.Application()
        app.router.add_get("/healthz", _alive)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics)
        host, port = self._address()
        self._local = is_loopback(host)
        if not (self._local or self._token):
            log.warning(
                "/metrics on %s omits series that name tenants; set SPENDMETER_METRICS_TOKEN to enable them", host
            )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, UnicodeError) as error:
            await runner.cleanup()
            reason = error.strerror if isinstance(error, OSError) else "not a host name"
            raise SetupError(
                f"cannot listen on {host}:{port} ({reason}):"
                " choose another SPENDMETER_WORKER_HOST or SPENDMETER_WORKER_PORT"
            ) from error
        self._runner = runner
        log.info("listening on %s: /healthz, /readyz, /metrics", _addresses(runner))

    async def on_stop(self) -> None:
        """Close the port. The worker stops this service last."""
        self._readiness.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @mode.Service.task
    async def _log_changes(self) -> None:
        logged: Mapping[str, str] | None = None
        while not self.should_stop:
            failures = await self._readiness.failures()
            # Compare names only: reasons may contain a duration, and every change would be logged.
            if logged is None or failures.keys() != logged.keys():
                if not failures:
                    log.info("ready")
                elif logged is not None and failures.keys() - logged.keys() and ENDING not in failures:
                    log.warning("not ready: %s", "; ".join(_reasons(failures)))
                logged = failures
            await self.sleep(_LOOK_SECONDS)

    async def _ready(self, _: web.Request) -> web.Response:
        failures = await self._readiness.failures()
        if not failures:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reasons": _reasons(failures)}, status=503)

    async def _metrics(self, request: web.Request) -> web.Response:
        header = request.headers.get(hdrs.AUTHORIZATION)
        tenants = bears(header, self._token) if self._token else self._local
        if self._token and header is not None and not tenants:
            raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="spendmeter"'})
        # Set as a header: aiohttp rejects a `content_type` with a charset or version.
        return web.Response(body=exposition(REGISTRY, tenants=tenants), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})


async def _alive(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def _reasons(failures: Mapping[str, str]) -> list[str]:
    return [f"{name}: {reason}" for name, reason in sorted(failures.items())]


def _addresses(runner: web.AppRunner) -> str:
    return ", ".join(f"{address[0]}:{address[1]}" for address in runner.addresses)
