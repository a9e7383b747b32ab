"""Serve HTTP beside other tasks. The port is bound first: if it is in use, nothing else starts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Final

import uvicorn

from spendmeter_deploy.ending import current_ending
from spendmeter_deploy.errors import StartError
from spendmeter_rollups.http.server import uvicorn_options

_GRACE_SECONDS: Final = 5
"""Maximum time that a stop waits for requests in progress."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; `port` 0 picks a free port.

    :raises StartError: the address is unavailable.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        # Names that are too long or not ASCII fail in Python's IDNA codec.
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise StartError(f"cannot listen on {host} ({reason}): choose another --host") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {host}:{port} ({error.strerror}): choose another --port") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL of `listener` on this machine."""
    host, port = listener.getsockname()[:2]
    # A wildcard address is reached through the loopback address.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host).replace("%", "%25")  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """A server that leaves signals to `Ending`, which stops the other parts too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(app: object, listener: socket.socket) -> AsyncIterator[asyncio.Task[None]]:
    """Serve the ASGI `app` until the block ends; yield the serving task."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        # Less than the limit of the whole stop, which has more to do.
        timeout_graceful_shutdown=max(1, min(_GRACE_SECONDS, int(current_ending().seconds / 2))),
        **uvicorn_options(),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield serving
    finally:
        server.should_exit = True
        await serving
