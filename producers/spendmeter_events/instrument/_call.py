"""Meter one call: measure its latency, collect its usage, emit one event. Never raises into the application."""

from __future__ import annotations

import atexit
import functools
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

from spendmeter_events.event import UsageEvent
from spendmeter_events.extract._apis.dialect import Collector, Dialect, known_usage
from spendmeter_events.extract._sections.payload import text
from spendmeter_events.extract.usage import Usage
from spendmeter_events.instrument._build_event import build_event
from spendmeter_events.instrument._error_outcome import http_status, outcome_of
from spendmeter_events.instrument.context import current_fields

logger = logging.getLogger("spendmeter_events.instrument")

_MAX_MS: Final = 2**31 - 1
_ABANDONED: Final[SimpleQueue[MeteredCall]] = SimpleQueue()
"""Streams that were garbage-collected without being closed. A finalizer may run anywhere, even inside the producer's
own lock, so it only queues (`SimpleQueue.put` is re-entrant); the next call emits their events."""


class EmitsUsage(Protocol):
    """A producer that the instrumentation can use: `emit` returns at once and may be called from any thread."""

    def emit(self, event: UsageEvent) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """The configuration of one instrumented client, shared by its calls."""

    producer: EmitsUsage
    provider: str
    dialect: Dialect
    defaults: Mapping[str, Any]
    stream_usage: bool = False
    """Request the usage of streams that do not report it by default, and hide the extra chunk from the caller."""

    logged: set[str] = field(default_factory=set)
    """Messages that were logged."""

    def warn_once(self, message: str) -> None:
        """Log the message as a warning, once for this client."""
        if message not in self.logged:
            self.logged.add(message)
            logger.warning(message)

    def warn_unmetered(self, method: str) -> None:
        """Log once that a method which may be billed is not metered."""
        self.warn_once(f"{method} of {self.provider} is not metered: emit its events yourself (docs/extractors.md)")

    def call(
        self, *, service: str, request: Mapping[str, object], streamed: bool = False, lazy: bool = False
    ) -> MeteredCall:
        """Start to time a call. The request of a `lazy` call is sent when its stream is first read."""
        finish_abandoned()
        return MeteredCall(meter=self, service=service, request=request, streamed=streamed, lazy=lazy)


def never_raises(method: Callable[..., None]) -> Callable[..., None]:
    """Log failures of `method` instead of raising. Only the exception class: its message could quote the prompt."""

    @functools.wraps(method)
    def guarded(self: MeteredCall, *args: Any) -> None:
        try:
            method(self, *args)
        except Exception as error:
            if not self.warned:  # once per call, not per chunk
                self.warned = True
                logger.warning("a call was not metered: %s in %s", type(error).__name__, method.__name__)

    return guarded


class MeteredCall:
    """One metered call. The first of `complete`, `finish`, `fail` and `abandon` emits the event, later ones none."""

    def __init__(
        self, *, meter: Meter, service: str, request: Mapping[str, object], streamed: bool, lazy: bool
    ) -> None:
        self._meter = meter
        self._service = service
        self._request = request
        self._streamed = streamed
        self._unsent = lazy
        self._context = current_fields()
        self._collector = Collector(meter.dialect, request=request, provider=meter.provider)
        self.hides_usage = False
        """Whether the instrumentation, not the caller, requested the usage chunk of the stream."""
        self.warned = False
        self._ended = threading.Lock()
        self._started = time.monotonic()
        self._first: float | None = None
        self._dropped: tuple[float, datetime] | None = None
        self._has_chunks = False

    @property
    def streamed(self) -> bool:
        """Whether the response is a stream."""
        return self._streamed

    def sent(self) -> None:
        """Record that the request of a lazy call is sent, because the caller reads its stream."""
        self._unsent = False

    @never_raises
    def chunk(self, chunk: object) -> None:
        """Record a chunk."""
        self._has_chunks = True
        if self._first is None and self._meter.dialect.has_output(chunk):
            self._first = time.monotonic()
        self._collector.add(chunk)

    @never_raises
    def complete(self, response: object) -> None:
        """Emit the event of a complete response; None if the response could not be inspected."""
        if self._ended.acquire(blocking=False):
            read = self._meter.dialect.read
            self._emit(known_usage(lambda: read(response, self._request, self._meter.provider)))

    @never_raises
    def finish(self) -> None:
        """Emit the event of a stream that was read to its end."""
        if self._ended.acquire(blocking=False):
            usage = known_usage(self._collector.usage)
            if usage.state == "missing":
                self._meter.warn_once(
                    f"a stream of {self._meter.provider} ended without usage, so its cost is unknown: set"
                    " stream_options={'include_usage': True}, or instrument(…, stream_usage=True)"
                )
            self._emit(usage)

    @never_raises
    def fail(self, error: BaseException) -> None:
        """Emit the event of a call, or of a stream, that raised."""
        if self._ended.acquire(blocking=False):
            self._emit(self._usage_until(error), outcome_of(error))

    @never_raises
    def abandon(self) -> None:
        """Emit the event of a stream that the caller closed or dropped before its end."""
        if self._ended.acquire(blocking=False) and not self._unsent:
            ended = {} if self._collector.finished else {"status": "cancelled"}
            self._emit(known_usage(self._collector.usage), ended)

    def __del__(self) -> None:
        """Queue a call that was dropped before its end; the next call emits its event (see `_ABANDONED`)."""
        if not self._ended.locked() and not sys.is_finalizing():
            self._dropped = (time.monotonic(), datetime.now(UTC))
            _ABANDONED.put(self)

    def _usage_until(self, error: BaseException) -> Usage:
        if self._has_chunks:
            return known_usage(self._collector.usage)
        # A rejected request is not billed. Without a response, the usage is unknown.
        rejected = http_status(error) >= 400
        return Usage(state="complete" if rejected else "missing")

    def _emit(self, usage: Usage, outcome: Mapping[str, Any] | None = None) -> None:
        ended, occurred_at = self._dropped or (time.monotonic(), None)
        facts: dict[str, Any] = {"latency_ms": self._since_start(ended), "streamed": self._streamed}
        facts |= {"provider": self._meter.provider, **(outcome or {})}
        if model := text(self._request.get("model")):
            facts["model"] = model
        if self._first is not None:
            facts["ttft_ms"] = self._since_start(self._first)
        defaults = {"service": self._service, **self._meter.defaults}
        event = build_event(usage, defaults=defaults, context=self._context, facts=facts)
        if occurred_at is not None:
            event = event.model_copy(update={"occurred_at": occurred_at})
        self._meter.producer.emit(event)

    def _since_start(self, clock: float) -> int:
        return min(round((clock - self._started) * 1000), _MAX_MS)


def finish_abandoned() -> None:
    """Emit the events of the streams that were dropped before their end."""
    while True:
        try:
            call = _ABANDONED.get_nowait()
        except Empty:
            return
        call.abandon()


atexit.register(finish_abandoned)
