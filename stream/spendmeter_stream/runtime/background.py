"""Background tasks. One that fails is logged, reported to `Health` and to `/metrics`, and started again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from spendmeter_stream import metrics
from spendmeter_stream.retry import OUTAGES
from spendmeter_stream.runtime.health import Health

log = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS: Final = 1.0
_MAX_BACKOFF_SECONDS: Final = 60.0
_PROBATION_SECONDS: Final = 5.0
"""A task that was started again and has run for so long counts as running."""


class BackgroundTasks:
    """Runs the background tasks of one process. Every name is a value of `spendmeter_background_task_up{task}`."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def report(self, name: str, error: BaseException | str | None) -> None:
        """Record that task `name` has failed because of `error`; None records that it runs."""
        metrics.BACKGROUND_TASK_UP.labels(name).set(0 if error is not None else 1)
        self._health.report(name, error)

    def failed(self, name: str, error: Exception) -> None:
        """Record a failure of task `name`, which is about to be started again."""
        self.report(name, error)
        metrics.BACKGROUND_TASK_FAILURES.labels(name).inc()

    def forget(self, name: str) -> None:
        """Remove task `name`, which ended because its work is done."""
        self._health.report(name, None)
        metrics.drop_background_task(name)

    async def once(self, name: str, attempt: Callable[[], Awaitable[object]]) -> bool:
        """Await `attempt()`, one turn of a periodic task, and report how it went; False if it raised.

        The next turn is the restart. Cancelling passes through.
        """
        try:
            await attempt()
        except Exception as error:
            self._log_failure(name, error, "its next turn tries again")
            return False
        self.report(name, None)
        return True

    async def run(
        self, name: str, work: Callable[[], Awaitable[object]], *, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """Await `work()` until it returns. Whenever it raises, report the failure and call it again after a pause."""
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
                self._log_failure(name, error, f"it is started again in {backoff:.0f} s")
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
        # An outage is described by its message; anything else is a fault of ours, and needs its traceback.
        traceback = None if isinstance(error, OUTAGES) else error
        log.error("background task %s failed, %s: %s", name, next_step, error or type(error), exc_info=traceback)


async def _awaited(work: Callable[[], Awaitable[object]]) -> None:
    await work()
