"""How long the harness waits: by progress, not by the clock. A slow machine is no fault; a state without change is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

POLLS: Final = 1500
"""How many polls in a row may find the same state. Each is a round trip to broker and store, so a loaded machine, on
which progress is slow, slows the polls as well."""
PAUSE_S: Final = 0.3
_PATIENCE_POLLS: Final = 6000
"""For a condition without intermediate states, e.g. the death of a process. It only ends a run that hangs."""


class StuckError(Exception):
    """Nothing changed any more, and what was waited for had not happened."""


@dataclass(slots=True)
class Progress:
    """Counts polls that found nothing new."""

    what: str
    polls: int = POLLS
    _state: Any = None
    _same: int = 0

    def see(self, state: Any) -> None:
        """Take note of what a poll found.

        :raises StuckError: as many polls as are allowed found the same.
        """
        self._same = self._same + 1 if state == self._state else 0
        self._state = state
        if self._same >= self.polls:
            raise StuckError(f"{self.what}: {self.polls} polls in a row found {state}")


async def eventually(what: str, condition: Callable[[], bool]) -> None:
    """Return when `condition()` is true.

    :raises StuckError: it never was.
    """
    for _ in range(_PATIENCE_POLLS):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise StuckError(f"waited in vain until {what}")
