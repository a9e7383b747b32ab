"""Background tasks. A failure is logged, reported to `WorkerHealth` and `/metrics`, and the task is restarted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from spendmeter_stream import metrics
from spendmeter_stream.retry import OUTAGES
from spendmeter_stream.runtime.health import WorkerHealth

log = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS: Final = 1.0
_MAX_BACKOFF_SECONDS: Final = 60.0
_PROBATION_SECONDS: Final = 5.0
"""A restarted task counts as running after this time."""


class BackgroundTasks:
    """Run the background tasks of one process. Names are values of `spendmeter_background_task_up{task}`."""

    def __init__(self, health: WorkerHealth) -> None:
        self._health = health

    def report(self, name: str, error: BaseException | str | None) -> None:
        """Record that task `name` failed with `error`; None records that it is running."""
        metrics.BACKGROUND_TASK_UP.labels(name).set(0 if error is not None else 1)
        self._health.report(name, error)

    def failed(self, name: str, error: Exception) -> None:
        """Record a failure of task `name`, which will be restarted."""
        self.report(name, error)
        metrics.BACKGROUND_TASK_FAILURES.labels(name).inc()

    def forget(self, name: str) -> None:
        """Remove task `name`, which completed."""
        self._health.report(name, None)
        metrics.drop_background_task(name)

    async def once(self, name: str, attempt: Callable[[], Awaitable[object]]) -> bool:
        """Await `attempt()`, one run of a periodic task, and report the result; False if it raised.

        The next run is the restart. Cancellation propagates.
        """
        try:
            await attempt()
        except Exception as error:
            self._log_failure(name, error, "retrying at its next run")
            return False
        self.report(name, None)
        return True

    async def run(
        self, name: str, work: Callable[[], Awaitable[object]], *, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """Await `work()` until it returns. If it raises, report the failure and call it again after a back-off."""
        self.report(name, None)
        backoff = _FIRST_BACKOFF_SECONDS
        while True:
            task = asyncio.ensure_future(_awaited(work))
            try:
                if await self._survives(task):
                    self.report(name, None)
                    backoff = _FIRST_BACKOFF_SECONDS
                await task
            except Exception as error:
                if stopping():
                    return
                self._log_failure(name, error, f"restarting in {backoff:.0f} s")
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, _MAX_BACKOFF_SECONDS)
            else:
                self.report(name, None)
                return
            finally:
                task.cancel()

    @staticmethod
    async def _survives(task: asyncio.Future[None]) -> bool:
        done, _ = await asyncio.wait([task], timeout=_PROBATION_SECONDS)
        return not done

    def _log_failure(self, name: str, error: Exception, next_step: str) -> None:
        self.failed(name, error)
        # The message describes an outage; any other error is a bug, and needs its traceback.
        traceback = None if isinstance(error, OUTAGES) else error
        log.error("background task %s failed, %s: %s", name, next_step, error or type(error), exc_info=traceback)


async def _awaited(work: Callable[[], Awaitable[object]]) -> None:
    await work()
