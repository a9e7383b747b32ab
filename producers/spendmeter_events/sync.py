"""`SyncUsageProducer`: the producer for services without an event loop.

One daemon thread with a loop of its own runs a `UsageProducer`. Two moments need care:

* `fork` (gunicorn, celery): the thread does not exist in the child, and what waits in the parent's buffer
  is the parent's to send. The child forgets both and starts a thread of its own at its first `emit`.
* exit: what waits is sent by an `atexit` hook, within `close_timeout_s`. Processes that end by `os._exit`
  (children of `multiprocessing`) skip such hooks: they must call `close()`.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from types import TracebackType
from typing import Any, Final, Self

from spendmeter_events._delivery.losses import Losses
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.event import UsageEvent
from spendmeter_events.producer import UsageProducer
from spendmeter_events.settings import ProducerSettings
from spendmeter_events.stats import DropReason, ProducerStats

_THREAD_START_S: Final = 5.0
_CLOSE_MARGIN_S: Final = 5.0


class _ThreadLoop(asyncio.SelectorEventLoop):
    """Runs what would go to an executor (name look-ups, SASL steps) in its own thread, which serves nobody
    else: executors refuse work once the interpreter is exiting, just when the last events must go out."""

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class _Worker:
    """A running `UsageProducer` and the thread it lives in."""

    def __init__(self, *, connection: KafkaConnection, settings: ProducerSettings) -> None:
        self.producer = UsageProducer(connection=connection, settings=settings)
        self.loop = _ThreadLoop()
        self._thread = threading.Thread(target=self._serve, name="spendmeter-usage-producer", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.producer.start(), self.loop).result(_THREAD_START_S)
        except BaseException:
            self._stop()
            raise

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def _stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_CLOSE_MARGIN_S)

    def close(self, timeout: float) -> int:
        closing = asyncio.run_coroutine_threadsafe(self.producer.close(timeout), self.loop)
        try:
            return closing.result(timeout + _CLOSE_MARGIN_S)
        except TimeoutError:
            # The thread is stuck in a call that does not return; an exiting process cannot wait for it.
            return self.producer.stats.buffered
        finally:
            self._stop()


class SyncUsageProducer:
    """`UsageProducer` for synchronous code: same settings, same guarantees, any thread may emit.

    Its thread starts at once. Raises `OSError` where `ssl_cafile` cannot be read. Use it as a context
    manager, or once for the whole process: what is not closed is closed at exit.
    """

    def __init__(self, *, connection: KafkaConnection, settings: ProducerSettings | None = None) -> None:
        self._connection = connection
        self._settings = settings or ProducerSettings()
        self._lock = threading.Lock()
        self._closed = False
        # What no worker could count: the losses of a child process whose thread does not start.
        self._losses = Losses()
        self._worker: _Worker | None = self._start_worker()
        _unclosed.add(self)

    def emit(self, event: UsageEvent) -> bool:
        """As `UsageProducer.emit`: returns at once, raises nothing; False when the event was not accepted."""
        try:
            worker = self._worker or self._restart()
        except Exception as error:
            self._losses.add(DropReason.NOT_STARTED, why=repr(error))
            return False
        if worker is None:
            self._losses.add(DropReason.CLOSED)
            return False
        return worker.producer.emit(event)

    def flush(self, timeout: float) -> bool:
        """Waits until no accepted event is unsent; False when `timeout` seconds were not enough.

        Raises `ProducerClosed` when another thread closes it meanwhile and gives some up.
        """
        worker = self._worker
        if worker is None or self._closed:
            return DropReason.UNSENT not in self.stats.dropped
        flushing = asyncio.run_coroutine_threadsafe(worker.producer.flush(), worker.loop)
        try:
            flushing.result(timeout)
        except TimeoutError:
            flushing.cancel()
            return False
        return True

    def close(self, timeout: float | None = None) -> int:
        """As `UsageProducer.close`, and ends the thread. A second call returns 0."""
        with self._lock:
            worker = None if self._closed else self._worker
            self._closed = True
        _unclosed.discard(self)
        if worker is None:
            return 0
        return worker.close(self._settings.close_timeout_s if timeout is None else timeout)

    @property
    def stats(self) -> ProducerStats:
        """The counts of this moment; after a fork, of this process alone."""
        worker = self._worker
        return worker.producer.stats if worker else ProducerStats(dropped=self._losses.counts())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start_worker(self) -> _Worker:
        return _Worker(connection=self._connection, settings=self._settings)

    def _restart(self) -> _Worker | None:
        """The worker of a forked child, made at its first event; None after `close`."""
        with self._lock:
            if self._worker is None and not self._closed:
                self._worker = self._start_worker()
            return self._worker

    def _forget_parent(self) -> None:
        """In a child just forked: only this thread exists, and a lock may be held by one that does not."""
        # Kept, never used: dropping the last reference would run finalizers on the parent's sockets.
        _parents_workers.append(self._worker)
        self._lock = threading.Lock()
        self._losses = Losses()
        self._worker = None


_unclosed: Final[set[SyncUsageProducer]] = set()
_parents_workers: Final[list[_Worker | None]] = []


def _close_all() -> None:
    for producer in list(_unclosed):
        producer.close()


def _forget_parents() -> None:
    for producer in list(_unclosed):
        producer._forget_parent()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
