"""Whether the store answers and has its tables."""

from __future__ import annotations

import asyncio

from spendmeter_rollups.query.lookups import event_span
from spendmeter_rollups.query.reader import Reader


class Readiness:
    """Looks through a session of its own: heavy questions of others must not make the service look unready."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._look: asyncio.Task[object] | None = None

    async def check(self) -> None:
        """Raises `StoreError`. Whoever asks while a look is under way shares it: this needs no credential."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._reader.rows(event_span(None)))
        await asyncio.shield(self._look)

    def close(self) -> None:
        """Close the session."""
        self._reader.close()
