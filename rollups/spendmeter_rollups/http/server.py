"""How uvicorn serves the app: with an end to whatever a client begins and does not finish.

uvicorn closes a connection that is idle after an answer. It waits for ever for the first request, for the rest of a
request's head, and for a client that does not read. A few hundred such connections would keep everyone else out.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 10.0
"""From the connection, or from the answer before, until a request's head is complete."""
WRITE_SECONDS: Final = 60.0
"""For a client to read the part of an answer that is waiting for it."""
MOST_CONNECTIONS: Final = 2000
_MOST_HEAD_BYTES: Final = 32 * 1024


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with the time limits that uvicorn lacks."""

    head_seconds = HEAD_SECONDS
    write_seconds = WRITE_SECONDS
    _head: asyncio.TimerHandle | None = None
    _write: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, for a while."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._cancel_timers()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Stop the clock where a request is being answered."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete and self._head is not None:
            self._head.cancel()
            self._head = None

    def on_response_complete(self) -> None:
        """Wait for the next request, also where bytes of it arrive: these stop uvicorn's own clock."""
        self._expect_head()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client does not read: give it a while."""
        super().pause_writing()
        self._write = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
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
    """Keyword arguments of `uvicorn.Config` for every process that serves the app."""
    return {
        "http": BoundedProtocol,
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # Nothing here depends on the client's address or scheme, and anyone can send these headers.
        "proxy_headers": False,
        "limit_concurrency": MOST_CONNECTIONS,
        "h11_max_incomplete_event_size": _MOST_HEAD_BYTES,
        "timeout_keep_alive": 5,
    }
