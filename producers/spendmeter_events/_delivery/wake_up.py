"""Wake the loop that sends, from any thread."""

from __future__ import annotations

import asyncio
import contextlib


class WakeUp:
    """A signal that ends a wait. It stays until the next wait ends, or `clear`."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """End the wait. Call in the loop that waits."""
        self._event.set()

    def set_from_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the wait in `loop`. Does nothing if the loop is closed."""
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._event.set)

    def clear(self) -> None:
        """Drop an earlier signal."""
        self._event.clear()

    async def wait(self, timeout: float) -> None:
        """Wait for the signal, at most `timeout` seconds."""
        # Cleared after the wait and before the caller checks again, so that no signal is lost.
        # Not `wait_for`: before Python 3.12 it loses a cancellation that coincides with the signal.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._event.wait()
        self._event.clear()
