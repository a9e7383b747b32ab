"""`UsageProducer`: send usage events to Kafka or the collector without ever blocking or failing the measured call."""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from spendmeter_events._delivery.buffer import Buffer, Record
from spendmeter_events._delivery.delivery import Delivers, open_delivery
from spendmeter_events._delivery.from_environment import connection_from, settings_from
from spendmeter_events._delivery.losses import LOG_INTERVAL_S, Losses, logger
from spendmeter_events._delivery.spool import Spool
from spendmeter_events._delivery.wake_up import WakeUp
from spendmeter_events._fork import reset_after_fork
from spendmeter_events.connection import HttpConnection, KafkaConnection
from spendmeter_events.errors import EventRefused, ProducerClosed
from spendmeter_events.event import MAX_EVENT_BYTES, UsageEvent
from spendmeter_events.settings import ProducerSettings
from spendmeter_events.stats import DropReason, ProducerStats

_CLOSE_LINK_S: Final = 2.0
# A client library that swallows a cancellation must not block `close` forever.
_CANCEL_ATTEMPTS: Final = 3
_CANCEL_WAIT_S: Final = 1.0


class UsageProducer:
    """Emit usage events from one event loop; `emit` may be called from any thread.

    `async with UsageProducer(connection=KafkaConnection(bootstrap_servers="host:9092")) as producer:
    producer.emit(event)`. Starting does not wait for the broker, so a service starts without it.
    docs/emitting.md describes the outcome of an event in each case.
    """

    def __init__(
        self, *, connection: KafkaConnection | HttpConnection, settings: ProducerSettings | None = None
    ) -> None:
        self._connection = connection
        self._settings = settings or ProducerSettings()
        self._closer: asyncio.Task[int] | None = None
        self._closing = False
        self._forked = False
        self._unsent = 0
        self._kept = 0
        self._spool: Spool | None = None
        self._begin()
        _producers.add(self)

    @classmethod
    def from_env(cls) -> Self:
        """Return a producer for `SPENDMETER_COLLECTOR_URL` (HTTP) or `SPENDMETER_BOOTSTRAP` (Kafka).

        docs/emitting.md lists the variables. Raises `InvalidSettings` with the names of all faulty ones.
        """
        return cls(connection=connection_from(), settings=settings_from())

    def _begin(self) -> None:
        """Set the state of a producer that is not started."""
        settings = self._settings
        self._losses = Losses()
        self._buffer = Buffer(
            max_events=settings.max_buffered_events, max_bytes=settings.max_buffered_bytes, on_release=self._released
        )
        if settings.spool_dir is not None:
            self._spool = Spool(settings.spool_dir, max_bytes=settings.spool_max_bytes, buffer=self._buffer)
        self._delivery: Delivers = open_delivery(
            self._connection, settings=settings, buffer=self._buffer, losses=self._losses
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: asyncio.Task[None] | None = None
        self._wake_up = WakeUp()
        self._progress = asyncio.Condition()

    async def start(self) -> None:
        """Start sending in the background and return immediately. Starting twice is harmless.

        Raises `ProducerClosed` after `close()`, and `OSError` if `ssl_cafile` cannot be read.
        """
        if self._closing:
            raise ProducerClosed("a closed producer cannot be restarted; create a new one")
        if self._runner is None:
            # Read certificates now, so that the caller gets the error instead of a log.
            self._connection.check_files()
            self._start_in(asyncio.get_running_loop())

    def emit(self, event: UsageEvent) -> bool:
        """Accept the event for sending. Return False (counted by reason in `stats`) if it is dropped.

        Never blocks and never raises, whatever the state of producer and broker.
        """
        try:
            reason = self._not_running()
            if reason is not None:
                self._losses.add(reason)
                return False
            record = _encode(event)
            if len(record.value) > MAX_EVENT_BYTES:
                self._losses.add(DropReason.OVERSIZED, why=f"{len(record.value)} bytes")
                return False
            if not self._accept(record):
                self._losses.add(DropReason.BUFFER_FULL, why=self._delivery.last_error)
                return False
        except Exception as error:
            # Metering must never fail the measured call.
            self._losses.add(DropReason.INVALID, why=repr(error)[:200])
            return False
        return True

    async def put(self, event: UsageEvent) -> None:
        """Like `emit`, but wait for space in the buffer instead of dropping the event.

        Raises `EventRefused` if the event can never be sent, `ProducerClosed` if not running.
        """
        try:
            record = _encode(event)
        except Exception as error:
            raise EventRefused(f"not a usage event: {error!r}") from error
        await self._put(record)

    async def put_encoded(self, key: bytes, value: bytes) -> None:
        """Like `put`, for a source that encodes `UsageEvent.key` and `UsageEvent.to_json()` itself."""
        if len(key) != 16:
            raise EventRefused(f"a key of {len(key)} bytes; it must be the 16 bytes of event_id")
        await self._put(Record.of(key, value, timestamp_ms=time.time_ns() // 1_000_000))

    async def _put(self, record: Record) -> None:
        if len(record.value) > MAX_EVENT_BYTES:
            raise EventRefused(f"{len(record.value)} bytes of JSON; the limit is {MAX_EVENT_BYTES}")
        while True:
            reason = self._not_running()
            if reason is not None:
                raise ProducerClosed(reason)
            if self._accept(record):
                return
            async with self._progress:
                await self._progress.wait()

    async def flush(self) -> None:
        """Wait until all accepted events are sent. Raises `ProducerClosed` if `close` dropped some."""
        async with self._progress:
            while self._buffer.events:
                await self._progress.wait()
        if self._unsent:
            raise ProducerClosed(f"closed with {self._unsent} events unsent")

    async def close(self, timeout: float | None = None) -> int:
        """Stop accepting events, send the buffer for up to `timeout` seconds, and disconnect.

        Return the number of accepted events without acknowledgement (the broker may have some of them).
        """
        self._closing = True
        if self._closer is None:
            deadline = self._settings.close_timeout_s if timeout is None else timeout
            self._closer = asyncio.get_running_loop().create_task(self._close(deadline))
        return await asyncio.shield(self._closer)

    @property
    def stats(self) -> ProducerStats:
        """Snapshot of the counts."""
        delivery = self._delivery
        return ProducerStats(
            accepted=self._buffer.accepted,
            sent=delivery.sent,
            buffered=self._buffer.events,
            buffered_bytes=self._buffer.bytes,
            dropped=self._losses.counts(),
            failed_attempts=delivery.failed_attempts,
            connected=delivery.connected,
            spooled=self._kept + (self._spool.waiting_events if self._spool else 0),
            idempotent=delivery.idempotent,
            last_error=delivery.last_error,
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _not_running(self) -> DropReason | None:
        if self._closing or (self._loop is not None and self._loop.is_closed()):
            return DropReason.CLOSED
        if self._loop is None and self._forked:
            # The parent has started this producer: start it in the child's loop too, if the child runs one.
            with contextlib.suppress(RuntimeError):
                self._start_in(asyncio.get_running_loop())
        return DropReason.NOT_STARTED if self._loop is None else None

    def _start_in(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._runner = loop.create_task(self._run(), name="spendmeter-usage-producer")

    def _reset(self) -> None:
        """Reset the state in a forked child: the parent sends the events in its buffer."""
        # Keep a reference: finalizers would close the parent's sockets.
        _parents.append((self._delivery, self._runner, self._loop))
        self._forked = self._loop is not None
        self._begin()

    def _released(self, records: Sequence[Record]) -> None:
        if self._spool is not None:
            self._spool.acknowledged(records)

    def _accept(self, record: Record) -> bool:
        batch_bytes = self._settings.batch_bytes
        before = self._buffer.waiting_bytes
        if not (self._buffer.put(record) if self._spool is None else self._spool.accept(record)):
            return False
        # Wake the sender for the first event, and when a full batch makes lingering unnecessary.
        if self._loop is not None and (before == 0 or before < batch_bytes <= before + record.size):
            # If the loop was closed without `close()`, nothing is sent, and `_not_running` reports CLOSED.
            self._wake_up.set_from_thread(self._loop)
        return True

    async def _run(self) -> None:
        while not (self._closing and self._buffer.events == 0 and not (self._spool and self._spool.waiting_events)):
            await self._wait_for_work()
            if self._spool is not None:
                self._spool.load()
            if self._buffer.events:
                await self._delivery.round()
            async with self._progress:
                self._progress.notify_all()

    async def _wait_for_work(self) -> None:
        """Return when a batch can be sent (after lingering), or when the producer is closed and empty."""
        while (seconds := self._seconds_to_wait()) > 0:
            await self._wake_up.wait(seconds)
            self._losses.report()
        # An earlier signal is stale; the signal for a full batch is set after this line.
        self._wake_up.clear()
        if not self._closing and 0 < self._buffer.waiting_bytes < self._settings.batch_bytes:
            await self._wake_up.wait(self._settings.linger_ms / 1000)

    def _seconds_to_wait(self) -> float:
        """Return the seconds until something can be sent; a signal ends the wait earlier."""
        if self._spool is not None:
            self._spool.scan()
        if self._buffer.events == 0:
            ready = self._closing or (self._spool is not None and self._spool.has_waiting)
            return 0 if ready else LOG_INTERVAL_S
        reconnect_in = self._delivery.seconds_until_reconnect()
        if reconnect_in or self._buffer.waiting_bytes:
            return reconnect_in
        return self._delivery.seconds_until_ready() or 0

    async def _close(self, timeout: float) -> int:
        self._delivery.end_back_off()
        self._wake_up.set()
        if self._runner is not None:
            await asyncio.wait({self._runner}, timeout=timeout)
            for _ in range(_CANCEL_ATTEMPTS):
                self._runner.cancel()
                if (await asyncio.wait({self._runner}, timeout=_CANCEL_WAIT_S))[0]:
                    break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_LINK_S):
                    await self._delivery.close()
        self._unsent = self._buffer.abandon()
        if self._spool is not None:
            self._keep(self._spool)
        elif self._unsent:
            self._losses.add(DropReason.UNSENT, self._unsent, why=self._delivery.last_error)
        self._losses.report(at_once=True)
        async with self._progress:
            self._progress.notify_all()
        logger.debug("Usage producer closed: %d sent, %d unsent", self._delivery.sent, self._unsent)
        return self._unsent

    def _keep(self, spool: Spool) -> None:
        self._unsent += spool.waiting_events
        self._kept = self._unsent - spool.only_in_memory
        if spool.only_in_memory:
            self._losses.add(DropReason.UNSENT, spool.only_in_memory, why=self._delivery.last_error)
        spool.close()
        if self._kept:
            folder = self._settings.spool_dir
            logger.warning("%d usage events stay in %s until the next producer with this spool", self._kept, folder)


_producers: Final[weakref.WeakSet[UsageProducer]] = weakref.WeakSet()
_parents: Final[list[Any]] = []
reset_after_fork(_producers, UsageProducer._reset)


def _encode(event: UsageEvent) -> Record:
    if not isinstance(event, UsageEvent):
        raise TypeError(f"{type(event).__name__} is not a UsageEvent")
    return Record.of(event.key, event.to_json(), timestamp_ms=time.time_ns() // 1_000_000)
