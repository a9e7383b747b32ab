"""One metered call: timed, followed to its end, counted once. Nothing here ever raises into the application."""

from __future__ import annotations

import atexit
import functools
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

from spendmeter_events.event import UsageEvent
from spendmeter_events.extract._dialect import Collector, Dialect, known_usage
from spendmeter_events.extract._payload import text
from spendmeter_events.extract.usage import Usage
from spendmeter_events.instrument._events import build_event
from spendmeter_events.instrument._outcome import http_status, outcome_of
from spendmeter_events.instrument.context import current_fields

logger = logging.getLogger("spendmeter_events.instrument")

_MAX_MS: Final = 2**31 - 1
_ABANDONED: Final[SimpleQueue[Call]] = SimpleQueue()
"""Streams that were dropped without being closed. A finalizer may run anywhere, inside the producer's own lock
even, so it only queues (`SimpleQueue.put` may be re-entered) and the next call finishes them."""


class EmitsUsage(Protocol):
    """What the instrumentation needs of a producer: hand over an event, at once, from any thread."""

    def emit(self, event: UsageEvent) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What all calls of one instrumented client share."""

    producer: EmitsUsage
    provider: str
    dialect: Dialect
    defaults: Mapping[str, Any]
    stream_usage: bool = False
    """Ask for the usage of streams that would not tell it otherwise, and keep that answer from the caller."""

    def call(self, *, service: str, request: Mapping[str, object], streamed: bool = False, lazy: bool = False) -> Call:
        """Starts to time a call. A `lazy` one reaches the provider only when its stream is first read."""
        finish_abandoned()
        return Call(meter=self, service=service, request=request, streamed=streamed, lazy=lazy)


def quietly(method: Callable[..., None]) -> Callable[..., None]:
    """Metering that fails is logged by its kind alone: a message could quote what is being metered."""

    @functools.wraps(method)
    def guarded(self: Call, *args: Any) -> None:
        try:
            method(self, *args)
        except Exception as error:
            if not self.warned:  # once a call, however many chunks it has
                self.warned = True
                logger.warning("a call was not metered: %s in %s", type(error).__name__, method.__name__)

    return guarded


class Call:
    """Follows one call. The first of `complete`, `finish`, `fail` and `abandon` counts, later ones do nothing."""

    def __init__(
        self, *, meter: Meter, service: str, request: Mapping[str, object], streamed: bool, lazy: bool
    ) -> None:
        self._meter = meter
        self._service = service
        self._request = request
        self._streamed = streamed
        self._waiting = lazy
        self._context = current_fields()
        self._collector = Collector(meter.dialect, request=request, provider=meter.provider)
        self.hides_usage = False
        """Whether the usage chunk of the stream was asked for by the meter, not by the caller."""
        self.warned = False
        self._over = threading.Lock()
        self._started = time.monotonic()
        self._first: float | None = None
        self._dropped: tuple[float, datetime] | None = None
        self._read_any = False

    @property
    def streamed(self) -> bool:
        """Whether the answer comes in chunks."""
        return self._streamed

    def reached(self) -> None:
        """The caller has begun to read: a lazy call is on its way."""
        self._waiting = False

    @quietly
    def chunk(self, chunk: object) -> None:
        """A chunk has come."""
        self._read_any = True
        if self._first is None and self._meter.dialect.has_output(chunk):
            self._first = time.monotonic()
        self._collector.add(chunk)

    @quietly
    def complete(self, response: object) -> None:
        """The whole answer has come. None where it could not be looked at."""
        if self._over.acquire(blocking=False):
            read = self._meter.dialect.read
            self._emit(known_usage(lambda: read(response, self._request, self._meter.provider)))

    @quietly
    def finish(self) -> None:
        """The stream has been read to its end."""
        if self._over.acquire(blocking=False):
            self._emit(known_usage(self._collector.usage))

    @quietly
    def fail(self, error: BaseException) -> None:
        """The call, or its stream, has raised."""
        if self._over.acquire(blocking=False):
            self._emit(self._used_before(error), outcome_of(error))

    @quietly
    def abandon(self) -> None:
        """The stream was closed, or dropped, by the caller."""
        if self._over.acquire(blocking=False) and not self._waiting:
            ended = {} if self._collector.finished else {"status": "cancelled"}
            self._emit(known_usage(self._collector.usage), ended)

    def __del__(self) -> None:
        """Dropped without an end. A finalizer may run anywhere, so the event is left to the next call."""
        if not self._over.locked() and not sys.is_finalizing():
            self._dropped = (time.monotonic(), datetime.now(UTC))
            _ABANDONED.put(self)

    def _used_before(self, error: BaseException) -> Usage:
        if self._read_any:
            return known_usage(self._collector.usage)
        # A refused request is not billed. Without an answer, nobody knows what the provider did.
        refused = http_status(error) >= 400
        return Usage(state="complete" if refused else "missing")

    def _emit(self, usage: Usage, outcome: Mapping[str, Any] | None = None) -> None:
        stopped, moment = self._dropped or (time.monotonic(), None)
        facts: dict[str, Any] = {"latency_ms": self._since_start(stopped), "streamed": self._streamed}
        facts |= {"provider": self._meter.provider, **(outcome or {})}
        if model := text(self._request.get("model")):
            facts["model"] = model
        if self._first is not None:
            facts["ttft_ms"] = self._since_start(self._first)
        defaults = {"service": self._service, **self._meter.defaults}
        event = build_event(usage, defaults=defaults, context=self._context, facts=facts)
        if moment is not None:
            event = event.model_copy(update={"occurred_at": moment})
        self._meter.producer.emit(event)

    def _since_start(self, moment: float) -> int:
        return min(round((moment - self._started) * 1000), _MAX_MS)


def finish_abandoned() -> None:
    """Counts the streams that were dropped unread."""
    while True:
        try:
            call = _ABANDONED.get_nowait()
        except Empty:
            return
        call.abandon()


atexit.register(finish_abandoned)
