"""Whether the worker can do its work now: what its parts report, whether the store answers, whether it stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_stream.runtime.health import Health
from spendmeter_stream.runtime.start import reason_of

ENDING: Final = "worker"
"""The name of the reason that the worker itself stops or has crashed."""
_PATIENCE_SECONDS: Final = 2.0
"""Shorter than a probe's own timeout, so that the answer names the reason."""
_FRESH_SECONDS: Final = 5.0
"""Probes come from several sides; the store is asked this often at most."""


class Readiness:
    """Collects the reasons why the worker is not ready.

    :param ending: a reason while the worker stops or after it crashed, else None.
    :param kafka: a reason while the group's coordinator is away, else None.
    """

    def __init__(
        self,
        *,
        health: Health,
        session: Session,
        ending: Callable[[], str | None],
        kafka: Callable[[], str | None],
    ) -> None:
        self._health = health
        self._store = StorePing(session)
        self._ending = ending
        self._kafka = kafka

    async def failures(self) -> Mapping[str, str]:
        """Name → reason of everything that fails now; empty when the worker is ready."""
        store = await self._store.failure()
        found = {ENDING: self._ending(), "group": self._kafka(), "store": store}
        return {**{name: reason for name, reason in found.items() if reason}, **self._health.failures()}

    def close(self) -> None:
        """Stop waiting for the store's answer."""
        self._store.cancel()


class StorePing:
    """Asks the store for a constant, one question at a time however many ask for its result."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = 0.0

    async def failure(self) -> str | None:
        """Why the store does not answer, or None."""
        if self._asking is None or (self._asking.done() and time.monotonic() - self._asked_at > _FRESH_SECONDS):
            self._asked_at = time.monotonic()
            self._asking = asyncio.create_task(self._ask())
        done, _ = await asyncio.wait([self._asking], timeout=_PATIENCE_SECONDS)
        if not done:
            return f"no answer for {time.monotonic() - self._asked_at:.0f} s"
        if self._asking.cancelled():
            return "not asked any more"
        error = self._asking.exception()
        return None if error is None else reason_of(error)

    def cancel(self) -> None:
        """Stop waiting for an answer."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> None:
        await self._session.query("SELECT 1")
