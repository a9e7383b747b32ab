"""Serve the app with uvicorn, with timeouts for clients that do not finish a request or do not read a response.

uvicorn closes a connection that is idle after a response. It waits indefinitely for the first request, for the rest of
a request head, and for a client that does not read. A few hundred such connections would exhaust the server.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 10.0
"""Maximum time from the connection or the previous response until a request head is complete."""
WRITE_SECONDS: Final = 60.0
"""Maximum time for a client to read the buffered part of a response."""
MOST_CONNECTIONS: Final = 2000
_MOST_HEAD_BYTES: Final = 32 * 1024


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with the timeouts that uvicorn lacks."""

    head_seconds = HEAD_SECONDS
    write_seconds = WRITE_SECONDS
    _head: asyncio.TimerHandle | None = None
    _write: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first request."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel all timers."""
        self._cancel_timers()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Stop the head timer once a request is being processed."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete and self._head is not None:
            self._head.cancel()
            self._head = None

    def on_response_complete(self) -> None:
        """Start the timer for the next request; uvicorn's keep-alive timer stops at its first byte."""
        self._expect_head()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Start the write timer: the client does not read."""
        super().pause_writing()
        self._write = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the write timer: the client reads again."""
        if self._write is not None:
            self._write.cancel()
            self._write = None
        super().resume_writing()

    def _expect_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
        self._head = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _cancel_timers(self) -> None:
        for timer in (self._head, self._write):
            if timer is not None:
                timer.cancel()
        self._head = self._write = None


def uvicorn_options() -> dict[str, Any]:
    """Return the keyword arguments of `uvicorn.Config` for every process that serves the app."""
    return {
        "http": BoundedProtocol,
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # Nothing depends on the client's address or scheme, and clients could forge these headers.
        "proxy_headers": False,
        "limit_concurrency": MOST_CONNECTIONS,
        "h11_max_incomplete_event_size": _MOST_HEAD_BYTES,
        "timeout_keep_alive": 5,
    }
