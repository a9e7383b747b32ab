"""Serve HTTP beside other tasks. The port is bound first: if it is in use, nothing else starts."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

import uvicorn

from spendmeter_deploy.ending import current_ending
from spendmeter_deploy.errors import StartError
from spendmeter_rollups.http.server import uvicorn_options

_PORT_ERRORS: Final = (errno.EADDRINUSE, errno.EACCES)
_NO_INTERFACE: Final = "a link-local address needs its interface, as in fe80::1%eth0"
_GRACE_SECONDS: Final = 5
"""Maximum time that a stop waits for requests in progress."""


def listen(host: str, port: int, *, host_setting: str) -> socket.socket:
    """Return a listening socket; `port` 0 picks a free port.

    :param host_setting: the option or variable with the host, for error messages.
    :raises StartError: the address is unavailable.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        # Names that are too long or not ASCII fail in Python's IDNA codec.
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise StartError(f"cannot listen on {host} ({reason}): choose another {host_setting}") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        setting = "--port" if error.errno in _PORT_ERRORS else host_setting
        reason = _NO_INTERFACE if _lacks_interface(address) else error.strerror
        raise StartError(f"cannot listen on {_with_port(host, port)} ({reason}): choose another {setting}") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL of `listener` on this machine."""
    host, port = listener.getsockname()[:2]
    address = ip_address(host)
    if address.is_unspecified:
        # A wildcard address is reached through the loopback address.
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://{_with_port(host.replace('%', '%25'), port)}"


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _lacks_interface(address: tuple[Any, ...]) -> bool:
    """Return whether a socket address is link-local without an interface: such an address cannot be bound."""
    return len(address) == 4 and IPv6Address(address[0]).is_link_local and not address[3]


class _Server(uvicorn.Server):
    """A server that leaves signals to `Ending`, which stops the other parts too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(app: Callable[..., Any], listener: socket.socket) -> AsyncIterator[asyncio.Task[None]]:
    """Serve the ASGI `app` until the block ends; yield the serving task."""
    config = uvicorn.Config(
        app,
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
