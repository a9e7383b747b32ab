"""How far a partition is behind, in records and in time, at any moment: a chunk that hangs must show, too."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from spendmeter_stream import metrics

_EARLIEST_MS: Final = 1_577_836_800_000
"""2020. A timestamp before it is a broken clock or another unit, as in an event."""


class Lag:
    """One partition's lag. Times are Unix seconds; `clock` gives them."""

    def __init__(self, *, partition: int, clock: Callable[[], float] = time.time) -> None:
        self._label = str(partition)
        self._clock = clock
        self._even = clock()
        """When nothing was waiting, as far as we know."""
        self._stored = 0.0
        self._under_way: float | None = None

    def begin(self, oldest: int | None) -> None:
        """A chunk is under way whose first record has the timestamp `oldest`, in Unix ms."""
        self._under_way = self._moment(oldest)

    def end(self, newest: int | None) -> None:
        """It is stored, up to a record of `newest`; None where it had none."""
        self._under_way = None
        self._stored = self._moment(newest)

    def _moment(self, timestamp: int | None) -> float:
        """Unix seconds of a record's timestamp. A producer may set any: where it cannot be true, it counts as now."""
        now = self._clock()
        return timestamp / 1000 if timestamp is not None and _EARLIEST_MS <= timestamp <= now * 1000 else now

    def report(self, behind: int) -> float:
        """Export that `behind` records are not stored, and how old the oldest of them is; returns the latter.

        Exact while a chunk is under way. Else the record waits in the broker, and is no older than the newest that is
        stored, nor than the moment at which none was waiting.
        """
        now = self._clock()
        if behind <= 0:
            self._even = now
        waiting = self._under_way if self._under_way is not None else max(self._stored, self._even)
        age = max(0.0, now - waiting) if behind > 0 else 0.0
        metrics.LAG_RECORDS.labels(self._label).set(max(0, behind))
        metrics.LAG_SECONDS.labels(self._label).set(age)
        return age

    def hide(self) -> None:
        """Another worker has the partition now, and reports it."""
        for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS):
            # A row that was never set cannot be taken back.
            gauge.labels(self._label)
            gauge.remove(self._label)
