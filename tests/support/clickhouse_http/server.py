"""ClickHouse's HTTP interface over chDB, with fault injection: `python -m tests.support.clickhouse_http.server`.

It is a separate process, because an embedded engine locks its folder to one process, and because tests kill it.
Faults: POST a list of them to `/_faults`, DELETE to clear, GET to see which fired.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from tests.support.clickhouse_http.die_at_rename import die_at_rename
from tests.support.clickhouse_http.engine import Engine, Result
from tests.support.clickhouse_http.errors import SESSION_IS_LOCKED, ServerError
from tests.support.clickhouse_http.faults import Fault, FaultPlan
from tests.support.clickhouse_http.statement import MAX_URI_BYTES, Statement, read_statement
from tests.support.clickhouse_http.wire import authenticate, failure, read_request, success

_STATEMENTS_AT_ONCE: Final = 32
_PIECES: Final = 16
_MAX_BODY_BYTES: Final = 2**31


@dataclass(slots=True, kw_only=True)
class Server:
    """The request handlers and their state."""

    engine: Engine
    passwords: Mapping[str, str]
    read_only_users: frozenset[str]
    plan: FaultPlan = field(default_factory=FaultPlan)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_STATEMENTS_AT_ONCE))
    busy_sessions: set[str] = field(default_factory=set)

    def app(self) -> web.Application:
        """Return the application for `web.run_app`."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_get("/ping", _ok)
        app.router.add_route("*", "/_faults", self.control)
        app.router.add_post("/_die_at_rename", _die_at_rename)
        app.router.add_route("*", "/", self.handle)
        app.on_cleanup.append(self._close)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Execute one statement."""
        if not request.rel_url.raw_query_string and not request.can_read_body:
            return await _ok(request)
        fault: Fault | None = None
        status = 200
        try:
            statement = await self._read(request)
            fault = self.plan.take(statement.text)
            if fault is not None and fault.kind == "refuse":
                return _hang_up(request)
            headers, body = await self._answer(request, statement, fault)
        except ServerError as error:
            status = error.status
            headers, body = failure(error, version=self.engine.version)
        if fault is not None and fault.kind == "cut":
            return _hang_up(request)
        return await self._send(request, status, headers, body, fault)

    async def control(self, request: web.Request) -> web.Response:
        """Add, clear or list faults."""
        if request.method == hdrs.METH_POST:
            for fault in await request.json():
                self.plan.add(Fault(**fault))
        elif request.method == hdrs.METH_DELETE:
            self.plan.clear()
        return web.json_response(self.plan.fired)

    async def _read(self, request: web.Request) -> Statement:
        user = authenticate(request, self.passwords)
        fields, body = await read_request(request)
        return read_statement(
            fields,
            body,
            database=request.headers.get("X-ClickHouse-Database", ""),
            # ClickHouse executes a GET in readonly mode.
            read_only=user in self.read_only_users or request.method == hdrs.METH_GET,
        )

    async def _answer(
        self, request: web.Request, statement: Statement, fault: Fault | None
    ) -> tuple[dict[str, str], bytes]:
        session = request.query.get("session_id", "")
        if session in self.busy_sessions:
            message = f"Code: {SESSION_IS_LOCKED}. DB::Exception: Session {session} is locked (SESSION_IS_LOCKED)"
            raise ServerError(code=SESSION_IS_LOCKED, message=message)
        self.busy_sessions |= {session} - {""}
        try:
            result = await self._execute(statement, fault)
        finally:
            self.busy_sessions.discard(session)
        return success(result, request, timezone=self.engine.timezone)

    async def _execute(self, statement: Statement, fault: Fault | None) -> Result:
        if fault is not None and fault.kind == "delay":
            await self.plan.wait(fault.seconds)
        if fault is not None and fault.kind == "error":
            message = f"Code: {fault.code}. DB::Exception: ordered by the test (KEEPER_EXCEPTION)"
            raise ServerError(code=fault.code, message=message, status=fault.status)
        return await asyncio.get_running_loop().run_in_executor(self.threads, self.engine.run, statement)

    async def _send(
        self, request: web.Request, status: int, headers: dict[str, str], body: bytes, fault: Fault | None
    ) -> web.StreamResponse:
        headers["X-ClickHouse-Query-Id"] = request.query.get("query_id") or str(uuid.uuid4())
        headers["X-ClickHouse-Server-Display-Name"] = "spendmeter-test"
        response = web.StreamResponse(status=status, headers=headers)
        # Chunked, as ClickHouse responds, so that an empty response also has a middle: between headers and end.
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            await self._send_body(request, response, body, fault)
        except ConnectionError:
            # The client has disconnected; the statement was executed nevertheless.
            _hang_up(request)
        return response

    async def _send_body(
        self, request: web.Request, response: web.StreamResponse, body: bytes, fault: Fault | None
    ) -> None:
        kind = fault.kind if fault is not None else None
        if fault is None or kind not in ("truncate", "stall", "slow"):
            await response.write(body)
        else:
            size = max(1, -(-len(body) // (_PIECES if kind == "slow" else 2)))
            for start in range(0, len(body), size) if body else [0]:
                await response.write(body[start : start + size])
                if kind == "truncate":
                    _hang_up(request)
                    return
                if start == 0 or kind == "slow":
                    await self.plan.wait(fault.seconds / (_PIECES if kind == "slow" else 1))
        await response.write_eof()

    async def _close(self, _: web.Application) -> None:
        self.plan.clear()
        await asyncio.to_thread(self.threads.shutdown)
        self.engine.close()


def _hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection immediately, at any point of the response."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _die_at_rename(request: web.Request) -> web.Response:
    die_at_rename(int(request.query["number"]))
    return web.json_response(None)


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


def main() -> None:
    """Serve until SIGTERM. `CLICKHOUSE_HTTP_USERS` contains users and passwords as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--port", required=True, type=int)
    arguments = parser.parse_args()
    scratch: Path = arguments.folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    passwords = json.loads(os.environ["CLICKHOUSE_HTTP_USERS"])
    server = Server(
        engine=Engine(arguments.folder / "store", scratch=scratch),
        passwords=passwords,
        read_only_users=frozenset(user for user in passwords if user.endswith("reader")),
    )
    web.run_app(
        server.app(),
        host="127.0.0.1",
        port=arguments.port,
        print=None,
        access_log=None,
        shutdown_timeout=5,
        max_line_size=MAX_URI_BYTES,
        auto_decompress=False,
    )


if __name__ == "__main__":
    main()
