"""Deliver events to the collector: `POST /v1/events` in batches of NDJSON, one request at a time.

The collector responds after Kafka's acknowledgement. A request without a response is sent again: the worker counts each
`event_id` once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
import zlib
from collections.abc import Callable
from http.client import BadStatusLine, HTTPConnection, HTTPSConnection
from typing import Any, Final

from spendmeter_events._delivery.back_off import back_off
from spendmeter_events._delivery.buffer import Buffer, Record
from spendmeter_events._delivery.losses import LOG_INTERVAL_S, Losses, logger
from spendmeter_events.connection import HttpConnection
from spendmeter_events.settings import ProducerSettings
from spendmeter_events.stats import DropReason

_PATH: Final = "/v1/events"
_MOST_EVENTS: Final = 10_000
"""The collector's limit of events in a request."""
_MOST_ANSWER: Final = 16 * 2**20
_TOO_LARGE: Final = 413
_REFUSES_A_RECORD: Final = frozenset((400, 415, 422))
_PROBLEM: Final = b"urn:spendmeter:problem:"
"""The collector's own errors have it. A proxy, or a port for HTTPS, responds with 400 to every request."""


class HttpDelivery:
    """Send the buffer from one event loop, like `Delivery`. Every record taken is released exactly once."""

    idempotent: bool | None = None

    def __init__(
        self,
        *,
        connection: HttpConnection,
        settings: ProducerSettings,
        buffer: Buffer,
        losses: Losses,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = _Requests(connection, timeout_s=settings.request_timeout_s)
        self._settings = settings
        self._buffer = buffer
        self._losses = losses
        self._clock = clock
        self._batches: list[list[Record]] = []
        """Taken batches, in the order to send."""
        self._failures = 0
        self._retry_at = 0.0
        self._next_warning = 0.0
        self.sent = 0
        self.failed_attempts = 0
        self.last_error = ""

    @property
    def connected(self) -> bool:
        return self._requests.connected

    def seconds_until_ready(self) -> float | None:
        """Return the seconds until the next request; None if no batch waits. Ignores the buffer."""
        return self.seconds_until_reconnect() if self._batches else None

    def seconds_until_reconnect(self) -> float:
        """Return the rest of the back-off in seconds."""
        return max(0.0, self._retry_at - self._clock())

    async def round(self) -> None:
        """Send one request. Never raises, except on cancellation: failed records stay in their batch."""
        if not self._batches:
            taken = self._buffer.take(self._settings.batch_bytes)
            self._batches = [taken[at : at + _MOST_EVENTS] for at in range(0, len(taken), _MOST_EVENTS)]
        if not self._batches or self._retry_at > self._clock():
            return
        batch = self._batches[0]
        try:
            status, headers, body = await asyncio.to_thread(self._requests.post, [each.value for each in batch])
            self._handle(batch, status, headers, body)
        except Exception as error:
            # No error may end the loop that empties the buffer.
            self._retry(repr(error), after=0.0)

    def end_back_off(self) -> None:
        """End the back-off, because a producer that is closing has little time left."""
        self._failures, self._retry_at = 0, 0.0

    async def close(self) -> None:
        """Close the connection if it is open."""
        self._requests.close()

    def _handle(self, batch: list[Record], status: int, headers: dict[str, str], body: bytes) -> None:
        refused = _refused(status, body, len(batch))
        if refused is not None:
            self._finish(batch, refused)
        elif not (status == _TOO_LARGE or (status in _REFUSES_A_RECORD and _PROBLEM in body)):
            self._retry(f"status {status}", after=_retry_after(headers))
        elif len(batch) > 1:
            middle = len(batch) // 2
            self._batches[0:1] = [batch[:middle], batch[middle:]]
        else:
            self._finish(batch, {0: f"status {status}"})

    def _finish(self, batch: list[Record], refused: dict[int, str]) -> None:
        self._batches.pop(0)
        self._failures = 0
        self.sent += len(batch) - len(refused)
        self._buffer.release(batch)
        if refused:
            why = f"the collector refused an event: {next(iter(refused.values()))}"
            self._losses.add(DropReason.REFUSED, len(refused), why=why)

    def _retry(self, why: str, *, after: float) -> None:
        self._requests.close()
        self._failures += 1
        self.failed_attempts += 1
        self.last_error = why
        wait = back_off(self._failures, self._settings, jitter=random.random())  # noqa: S311 - not a secret
        now = self._clock()
        self._retry_at = now + max(wait, after)
        if now >= self._next_warning:
            self._next_warning = now + LOG_INTERVAL_S
            buffered = self._buffer.events
            logger.warning("Cannot send usage events to the collector, retrying: %s; %d buffered", why, buffered)


class _Requests:
    """One connection that stays open between requests. `post` blocks, and runs in a thread."""

    def __init__(self, connection: HttpConnection, *, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._open: HTTPConnection | None = None
        self._headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        if connection.key:
            self._headers["Authorization"] = f"Bearer {connection.key}"

    @property
    def connected(self) -> bool:
        return self._open is not None

    def post(self, values: list[bytes]) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the response. Raises any error of the connection."""
        packer = zlib.compressobj(1, wbits=31)
        packed = packer.compress(b"\n".join(values)) + packer.flush()
        if self._open is not None:
            # The server may have closed an idle connection.
            with contextlib.suppress(ConnectionError, BadStatusLine):
                return self._post(packed)
            self.close()
        return self._post(packed)

    def _post(self, packed: bytes) -> tuple[int, dict[str, str], bytes]:
        if self._open is None:
            self._open = self._connect()
        self._open.request("POST", self._connection.path + _PATH, body=packed, headers=self._headers)
        response = self._open.getresponse()
        body = response.read(_MOST_ANSWER)
        if response.will_close:
            self.close()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, body

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        current, self._open = self._open, None
        if current is not None:
            current.close()

    def _connect(self) -> HTTPConnection:
        host, port = self._connection.host, self._connection.port
        if self._connection.secure:
            return HTTPSConnection(host, port, timeout=self._timeout_s, context=self._connection.tls())
        return HTTPConnection(host, port, timeout=self._timeout_s)


def _refused(status: int, body: bytes, count: int) -> dict[int, str] | None:
    """Return the reasons of refused events by index; None if the response does not decide over every event."""
    if status not in (200, 207, 422):
        return None
    try:
        results: Any = json.loads(body)["results"]
        reasons = {each["index"]: f"{each['code']}: {each['reason']}" for each in results if _is_refused(each)}
    except (ValueError, KeyError, TypeError):
        return None
    return reasons if len(results) == count else None


def _is_refused(result: Any) -> bool:
    return bool(result["status"] == "refused")


def _retry_after(headers: dict[str, str]) -> float:
    """Return the seconds of `Retry-After`; 0 without one, or with a date."""
    text = headers.get("retry-after", "")
    return min(float(text), 3600.0) if text.isascii() and text.isdigit() else 0.0
