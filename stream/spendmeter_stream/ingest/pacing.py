"""Deadlines of chunks, spaced so that many quiet partitions do not create many small parts in ClickHouse."""

from __future__ import annotations


class Pacing:
    """Assigns each chunk a deadline. Deadlines of all partitions are at least `1 / chunks_per_second` apart.

    With few partitions, a chunk closes `interval` seconds after its first record. With many, the interval grows with
    the number of partitions, which the lag metrics show.
    """

    def __init__(self, *, interval: float, chunks_per_second: float) -> None:
        self._interval = interval
        self._spacing = 1 / chunks_per_second
        self._last = float("-inf")

    def deadline(self, now: float) -> float:
        """Return the deadline of a chunk whose first record arrived at `now`, in seconds of the same clock."""
        self._last = max(now + self._interval, self._last + self._spacing)
        return self._last
