"""Clients that do not finish: their connections are closed, and others are answered meanwhile (row L12)."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from spendmeter_rollups.http.server import BoundedProtocol, uvicorn_options

LARGE = bytes(32 * 2**20)
PATIENCE = 60.0
"""Only ends a test that hangs; no assertion depends on it."""


class Impatient(BoundedProtocol):
    """The real protocol, with short limits."""

    head_seconds = 1.0
    write_seconds = 1.0


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond: `/large` exceeds every buffer, everything else is short."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": LARGE if scope["path"] == "/large" else b"short"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = uvicorn.Server(
        uvicorn.Config(answer, port=0, **{**uvicorn_options(), "http": Impatient, "lifespan": "off"})
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait until the server closes the connection, whatever it sent before."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while await reader.read(65536):
                pass
    return True


async def ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        text = await reader.read()
    writer.close()
    return text


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT"],
    ids=["nothing", "half a line", "half a head", "half a second request"],
)
async def test_nine_hundred_half_open_requests_end(port: int, begun: bytes) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(900)]
    for _, writer in connections:
        writer.write(begun)
    assert b"200 OK" in await ask(port)
    assert all(await asyncio.gather(*(ended(reader) for reader, _ in connections)))
    for _, writer in connections:
        writer.close()


async def test_a_head_that_drips_ends(port: int) -> None:
    """Bytes that arrive one by one do not restart the time limit."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def drip() -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        while not writer.is_closing():
            writer.write(b"a")
            await asyncio.sleep(0.1)

    dripping = asyncio.create_task(drip())
    assert await ended(reader)
    writer.close()
    await asyncio.gather(dripping, return_exceptions=True)


async def test_a_client_that_does_not_read_is_left(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    transport = writer.transport
    transport.pause_reading()  # type: ignore[attr-defined]
    server_closed = asyncio.Event()

    async def until_reset() -> None:
        # A write fails once the other side has aborted the connection.
        while not transport.is_closing():
            writer.write(b"\r\n")
            await asyncio.sleep(0.1)
        server_closed.set()

    async with asyncio.timeout(PATIENCE):
        await until_reset()
    assert server_closed.is_set()
    writer.close()


async def test_a_head_without_end_is_refused(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        text = await reader.read()
    assert b" 400 " in text.splitlines()[0] or b" 431 " in text.splitlines()[0]
    writer.close()


async def test_the_server_does_not_say_what_it_is(port: int) -> None:
    assert b"uvicorn" not in await ask(port)
