"""The lag of a partition in records and seconds, also while a chunk is blocked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from spendmeter_stream import metrics

_EARLIEST_MS: Final = 1_577_836_800_000
"""2020. An earlier timestamp means a broken clock or a wrong unit, as in an event."""


class Lag:
    """The lag of one partition. `clock` returns Unix seconds."""

    def __init__(self, *, partition: int, clock: Callable[[], float] = time.time) -> None:
        self._label = str(partition)
        self._clock = clock
        self._caught_up_at = clock()
        """The last time at which no record was waiting."""
        self._stored = 0.0
        self._in_progress: float | None = None

    def begin(self, oldest: int | None) -> None:
        """Start a chunk whose first record has the timestamp `oldest`, in Unix ms."""
        self._in_progress = self._seconds(oldest)

    def end(self, newest: int | None) -> None:
        """Mark the chunk as stored. `newest` is its last record's timestamp in Unix ms; None if it had no records."""
        self._in_progress = None
        self._stored = self._seconds(newest)

    def _seconds(self, timestamp: int | None) -> float:
        """Convert a record timestamp to Unix seconds. Producers may set any value: an implausible one counts as now."""
        now = self._clock()
        return timestamp / 1000 if timestamp is not None and _EARLIEST_MS <= timestamp <= now * 1000 else now

    def report(self, behind: int) -> float:
        """Export the lag of `behind` records, and return the age of the oldest one in seconds.

        The age is exact while a chunk is in progress. Otherwise the record is still in the broker, and its age is at
        most the time since the newest stored record, and since no record was waiting.
        """
        now = self._clock()
        if behind <= 0:
            self._caught_up_at = now
        oldest = self._in_progress if self._in_progress is not None else max(self._stored, self._caught_up_at)
        age = max(0.0, now - oldest) if behind > 0 else 0.0
        metrics.LAG_RECORDS.labels(self._label).set(max(0, behind))
        metrics.LAG_SECONDS.labels(self._label).set(age)
        return age

    def hide(self) -> None:
        """Stop exporting: another worker owns the partition and exports its lag."""
        for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS):
            # `remove` raises KeyError for a label that was never set.
            gauge.labels(self._label)
            gauge.remove(self._label)
