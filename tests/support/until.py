"""Wait in tests for a condition, never for a time; bounded, so that a broken test ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool], *, attempts: int = 9000, pause_s: float = 0.01) -> None:
    """Wait until `condition()` is true; raise `AssertionError` after `attempts` checks."""
    for _ in range(attempts):
        if condition():
            return
        await asyncio.sleep(pause_s)
    raise AssertionError("the awaited condition never came true")
