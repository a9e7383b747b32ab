"""Readiness: ClickHouse is reachable and its tables exist."""

from __future__ import annotations

import asyncio
from typing import Protocol

from spendmeter_rollups.query.lookups import event_span
from spendmeter_rollups.query.reader import Reader


class ReadinessCheck(Protocol):
    """Checks what the process needs to answer requests."""

    async def check(self) -> None:
        """Raise `StoreError` or `Problem` if something is missing."""
        ...

    def close(self) -> None:
        """Release resources."""
        ...


class Readiness:
    """Check with a dedicated session: heavy queries must not make the service appear unready."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._check: asyncio.Task[object] | None = None

    async def check(self) -> None:
        """Query ClickHouse. Raises `StoreError`. Concurrent calls share one query: they need no credential."""
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._reader.rows(event_span(None)))
        await asyncio.shield(self._check)

    def close(self) -> None:
        """Close the session."""
        self._reader.close()
