"""A provider's HTTP API on a loopback port: scripted responses, in order, to any POST or GET."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

GATE: Final = "gate"
"""In a stream: wait until the test releases it."""
CUT: Final = "cut"
"""In a stream: close the connection before the end."""
_WAIT_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One response: a JSON body, raw bytes, or a stream of server-sent events."""

    status: int = 200
    body: Any = None
    raw: bytes | None = None
    events: list[Any] | None = None
    """Dicts are sent as `data:` lines, with an `event:` line if they have a `type`; strings are sent unchanged."""
    content_type: str = "application/json"
    delay_s: float = 0.0


@dataclass(slots=True)
class FakeProvider:
    """Records requests and returns scripted responses."""

    url: str = ""
    replies: deque[Reply] = field(default_factory=deque)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    """(path, JSON body or None) of each request, in order."""
    sent: int = 0
    """Number of stream events written."""
    gate: threading.Event = field(default_factory=threading.Event)

    def answer(self, **reply: Any) -> None:
        """Queue a response."""
        self.replies.append(Reply(**reply))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        is_json = request.content_type == "application/json" and request.can_read_body
        self.requests.append((request.path, await request.json() if is_json else None))
        reply = self.replies.popleft()
        await asyncio.sleep(reply.delay_s)
        if reply.events is not None:
            return await self._stream(request, reply)
        body = reply.raw if reply.raw is not None else json.dumps(reply.body).encode()
        return web.Response(
            status=reply.status,
            body=body,
            headers={"content-type": reply.content_type, "x-should-retry": "false"},
        )

    async def _stream(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in reply.events or ():
            if event is GATE:
                await asyncio.to_thread(self.gate.wait, _WAIT_S)
            elif event is CUT:
                assert request.transport is not None
                request.transport.abort()
                return response
            else:
                try:
                    await response.write(_encoded(event))
                except ConnectionResetError:
                    return response  # the client disconnected, as in some tests
                self.sent += 1
        return response


def _encoded(event: Any) -> bytes:
    if isinstance(event, str):
        return event.encode()
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


@contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    """Run the fake in a thread, and stop it afterwards."""
    fake = FakeProvider()
    loop = asyncio.new_event_loop()
    started, stopping = threading.Event(), asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", fake.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await stopping.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(_WAIT_S)
    try:
        yield fake
    finally:
        fake.gate.set()
        loop.call_soon_threadsafe(stopping.set)
        thread.join(_WAIT_S)
        loop.close()


class Recorder:
    """A producer that stores emitted events."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def emit(self, event: Any) -> bool:
        self.events.append(event)
        return True

    @property
    def only(self) -> Any:
        """Return the only emitted event."""
        assert len(self.events) == 1, self.events
        return self.events[0]
