"""`SyncUsageProducer`: the producer for services without an event loop.

A daemon thread with its own event loop runs a `UsageProducer`. Two cases need care:

* `fork` (gunicorn, celery): the thread does not exist in the child, and the parent sends the events in its buffer. The
  child discards both and starts its own thread at its first `emit`.
* Exit: an `atexit` hook sends buffered events, within `close_timeout_s`. Children of `multiprocessing` and workers of
  Celery skip these hooks, but have their own, which are used. A process that calls `os._exit` itself must call
  `close()`, or use a spool.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from importlib import import_module
from types import TracebackType
from typing import Final, Self, TypeVar, TypeVarTuple

from spendmeter_events._delivery.from_environment import connection_from, settings_from
from spendmeter_events._delivery.losses import Losses
from spendmeter_events._fork import reset_after_fork
from spendmeter_events.connection import HttpConnection, KafkaConnection
from spendmeter_events.event import UsageEvent
from spendmeter_events.producer import UsageProducer
from spendmeter_events.settings import ProducerSettings
from spendmeter_events.stats import DropReason, ProducerStats

_Arguments = TypeVarTuple("_Arguments")
_Result = TypeVar("_Result")

_THREAD_START_S: Final = 5.0
_CLOSE_MARGIN_S: Final = 5.0
_CLOSE_PRIORITY: Final = 100


class _ThreadLoop(asyncio.SelectorEventLoop):
    """Runs executor jobs (name look-ups, SASL steps) in the loop's thread, which has no other work: executors reject
    jobs while the interpreter exits, when the last events are sent."""

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Arguments], _Result], *args: *_Arguments
    ) -> asyncio.Future[_Result]:
        future: asyncio.Future[_Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class _ProducerThread:
    """A running `UsageProducer` and its thread."""

    def __init__(self, *, connection: KafkaConnection | HttpConnection, settings: ProducerSettings) -> None:
        self.producer = UsageProducer(connection=connection, settings=settings)
        self.loop = _ThreadLoop()
        _close_with_the_pool()
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

    Its thread starts immediately. Raises `OSError` if `ssl_cafile` cannot be read. Use it as a context manager, or once
    for the whole process: producers that are still open are closed at exit.
    """

    def __init__(
        self, *, connection: KafkaConnection | HttpConnection, settings: ProducerSettings | None = None
    ) -> None:
        self._connection = connection
        self._settings = settings or ProducerSettings()
        self._lock = threading.Lock()
        self._closed = False
        # Losses without a producer thread: those of a forked child whose thread does not start.
        self._losses = Losses()
        self._worker: _ProducerThread | None = self._start_worker()
        _unclosed.add(self)

    @classmethod
    def from_env(cls) -> Self:
        """Like `UsageProducer.from_env`."""
        return cls(connection=connection_from(), settings=settings_from())

    def emit(self, event: UsageEvent) -> bool:
        """Like `UsageProducer.emit`: never blocks and never raises. Return False if the event is dropped."""
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
        """Wait until all accepted events are sent. Return False if this takes longer than `timeout` seconds.

        Raises `ProducerClosed` if another thread closes the producer meanwhile and events are dropped.
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
        """Like `UsageProducer.close`; also stop the thread. A second call returns 0."""
        with self._lock:
            worker = None if self._closed else self._worker
            self._closed = True
        _unclosed.discard(self)
        if worker is None:
            return 0
        return worker.close(self._settings.close_timeout_s if timeout is None else timeout)

    @property
    def stats(self) -> ProducerStats:
        """Snapshot of the counts; after a fork, of this process only."""
        worker = self._worker
        return worker.producer.stats if worker else ProducerStats(dropped=self._losses.counts())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start_worker(self) -> _ProducerThread:
        return _ProducerThread(connection=self._connection, settings=self._settings)

    def _restart(self) -> _ProducerThread | None:
        """Start the thread of a forked child at its first event. Return None after `close`."""
        with self._lock:
            if self._worker is None and not self._closed:
                self._worker = self._start_worker()
            return self._worker

    def _reset(self) -> None:
        """Reset the state in a forked child: only this thread exists, and a lock may be locked by a missing one."""
        # Keep a reference: finalizers would close the parent's sockets.
        _parent_workers.append(self._worker)
        self._lock = threading.Lock()
        self._losses = Losses()
        self._worker = None


_unclosed: Final[set[SyncUsageProducer]] = set()
_parent_workers: Final[list[_ProducerThread | None]] = []


def _close_all() -> None:
    for producer in list(_unclosed):
        producer.close()


def _close_with_the_pool() -> None:
    """Close all producers when a child of `multiprocessing` or Celery ends: it skips `atexit` hooks."""
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        import_module("multiprocessing.util").Finalize(None, _close_all, exitpriority=_CLOSE_PRIORITY)
    if celery := sys.modules.get("celery.signals"):
        celery.worker_process_shutdown.connect(_close_on_signal, weak=False, dispatch_uid="spendmeter")


def _close_on_signal(**_: object) -> None:
    _close_all()


atexit.register(_close_all)
reset_after_fork(_unclosed, SyncUsageProducer._reset)
