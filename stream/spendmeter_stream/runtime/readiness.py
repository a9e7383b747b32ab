"""Readiness: reported failures, a store ping, and whether the worker is stopping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_stream.runtime.health import WorkerHealth
from spendmeter_stream.runtime.start import reason_of

ENDING: Final = "worker"
"""The name of the failure while the worker is stopping or has crashed."""
_PATIENCE_SECONDS: Final = 2.0
"""Shorter than a probe's timeout, so that the response can give the reason."""
_FRESH_SECONDS: Final = 5.0
"""Minimum interval between store pings, whatever the number of probes."""


class WorkerReadiness:
    """Collect the reasons why the worker is not ready.

    :param ending: returns a reason if the worker is stopping or has crashed, else None.
    :param kafka: returns a reason if the group coordinator is unreachable, else None.
    """

    def __init__(
        self,
        *,
        health: WorkerHealth,
        session: Session,
        ending: Callable[[], str | None],
        kafka: Callable[[], str | None],
    ) -> None:
        self._health = health
        self._store = StorePing(session)
        self._ending = ending
        self._kafka = kafka

    async def failures(self) -> Mapping[str, str]:
        """Return name → reason of all current failures; empty if the worker is ready."""
        store = await self._store.failure()
        found = {ENDING: self._ending(), "group": self._kafka(), "store": store}
        return {**{name: reason for name, reason in found.items() if reason}, **self._health.failures()}

    def close(self) -> None:
        """Cancel the pending store ping."""
        self._store.cancel()


class StorePing:
    """Run `SELECT 1`, one query at a time. Concurrent callers share its result."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ping: asyncio.Task[None] | None = None
        self._started_at = 0.0

    async def failure(self) -> str | None:
        """Return why the store is unreachable, or None."""
        if self._ping is None or (self._ping.done() and time.monotonic() - self._started_at > _FRESH_SECONDS):
            self._started_at = time.monotonic()
            self._ping = asyncio.create_task(self._query())
        done, _ = await asyncio.wait([self._ping], timeout=_PATIENCE_SECONDS)
        if not done:
            return f"no answer for {time.monotonic() - self._started_at:.0f} s"
        if self._ping.cancelled():
            return "the check was cancelled"
        error = self._ping.exception()
        return None if error is None else reason_of(error)

    def cancel(self) -> None:
        """Cancel the pending query."""
        if self._ping is not None:
            self._ping.cancel()

    async def _query(self) -> None:
        await self._session.query("SELECT 1")
