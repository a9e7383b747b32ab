"""Start services while Faust joins its own consumer group, not after it: each join takes seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import mode


class EarlyStart(mode.Service):
    """Begin the start of `services`, in order, without waiting. `EarlyStarted` waits for the end of it."""

    mundane_level = "debug"

    def __init__(self, services: Sequence[mode.ServiceT], **options: Any) -> None:
        super().__init__(**options)
        self._services = services
        self._starting: asyncio.Task[None] | None = None

    async def on_start(self) -> None:
        """Return at once."""
        self._starting = asyncio.create_task(self._start_each(), name="start early")

    async def started_services(self) -> None:
        """Wait until all services are started. Raises the error of the one that failed."""
        if self._starting is not None:
            await asyncio.shield(self._starting)

    async def on_stop(self) -> None:
        """Stop the services that the app has not stopped, because its start was interrupted."""
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            with suppress(asyncio.CancelledError):
                await self._starting
        for service in reversed(self._services):
            if service.started:
                await service.stop()

    async def _start_each(self) -> None:
        for service in self._services:
            await service.maybe_start()


class EarlyStarted(mode.Service):
    """Starts when the services of `early` are started."""

    mundane_level = "debug"

    def __init__(self, early: EarlyStart, **options: Any) -> None:
        super().__init__(**options)
        self._early = early

    async def on_start(self) -> None:
        """Wait. Raises the error of the service that failed."""
        await self._early.started_services()
