"""Count dropped events by reason, and log them at most once a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from spendmeter_events.stats import DropReason

logger: Final = logging.getLogger("spendmeter_events")

LOG_INTERVAL_S: Final = 60.0


class Losses:
    """Thread-safe counts of lost events; `report` logs new ones, at most once a minute."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Re-entrant: a finalizer that emits may run while this thread owns the lock.
        self._lock = threading.RLock()
        self._counts: Counter[DropReason] = Counter()
        self._reported: Counter[DropReason] = Counter()
        self._next_report = clock()
        self._why = ""

    def add(self, reason: DropReason, count: int = 1, *, why: str = "") -> None:
        """Count `count` lost events; the log line contains the newest `why`."""
        with self._lock:
            self._counts[reason] += count
            self._why = why or self._why
        self.report()

    def report(self, *, at_once: bool = False) -> None:
        """Log the losses since the last line. `at_once` ignores the interval, for the last line on close."""
        with self._lock:
            now = self._clock()
            fresh = self._counts - self._reported
            if not fresh or (now < self._next_report and not at_once):
                return
            self._next_report = now + LOG_INTERVAL_S
            self._reported = self._counts.copy()
            why, self._why = self._why, ""
        reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(fresh.items()))
        logger.warning("Usage events lost: %s%s", reasons, f" ({why})" if why else "")

    def counts(self) -> Mapping[DropReason, int]:
        """Return a copy of the counts by reason."""
        with self._lock:
            return MappingProxyType(dict(self._counts))
