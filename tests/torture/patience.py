"""Wait by progress, not by time. A slow machine is no fault; a state without change is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

POLLS: Final = 1500
"""Maximum number of consecutive polls with the same state. Each is a round trip to broker and store, so a loaded
machine, which slows progress, also slows the polls."""
PAUSE_S: Final = 0.3
_PATIENCE_POLLS: Final = 6000
"""For a condition without intermediate states, such as the end of a process. It only ends a run that hangs."""


class StuckError(Exception):
    """The state stopped changing before the condition was met."""


@dataclass(slots=True)
class Progress:
    """Count consecutive polls without a change."""

    what: str
    polls: int = POLLS
    _state: Any = None
    _same: int = 0

    def see(self, state: Any) -> None:
        """Record the result of a poll.

        :raises StuckError: the maximum number of polls found the same state.
        """
        self._same = self._same + 1 if state == self._state else 0
        self._state = state
        if self._same >= self.polls:
            raise StuckError(f"{self.what}: {self.polls} polls in a row found {state}")


async def eventually(what: str, condition: Callable[[], bool]) -> None:
    """Wait until `condition()` is true.

    :raises StuckError: it did not become true.
    """
    for _ in range(_PATIENCE_POLLS):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise StuckError(f"waited in vain until {what}")
