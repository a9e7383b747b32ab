"""A local HTTP endpoint for webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

Post = tuple[dict[str, str], bytes]
"""Headers and body of one request."""


@asynccontextmanager
async def endpoint(answers: Sequence[int] = ()) -> AsyncIterator[tuple[str, list[Post]]]:
    """Yield its URL and the received requests. It responds with the statuses `answers` in turn, then with 200."""
    got: list[Post] = []
    statuses = list(answers)

    async def take(request: web.Request) -> web.Response:
        got.append((dict(request.headers), await request.read()))
        return web.Response(status=statuses.pop(0) if statuses else 200)

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/alerts", got
    finally:
        await runner.cleanup()
