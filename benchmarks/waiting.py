"""Wait for conditions by polling."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable


async def until(condition: Callable[[], bool | Awaitable[bool]], *, every: float) -> None:
    """Return when `condition()` holds, looking every so many seconds. Bounded by the measurement's own process."""
    while True:
        answer = condition()
        if await answer if isawaitable(answer) else answer:
            return
        await asyncio.sleep(every)
