"""When a chunk closes by time: so that many quiet partitions do not make many small parts in the store."""

from __future__ import annotations


class Pacing:
    """Gives each chunk its deadline; deadlines are at least `1 / chunks_per_second` apart, over all partitions.

    With few partitions a chunk closes `interval` seconds after its first record; with many, the interval
    stretches to as long as the queue of partitions takes, and the lag metrics show it.
    """

    def __init__(self, *, interval: float, chunks_per_second: float) -> None:
        self._interval = interval
        self._spacing = 1 / chunks_per_second
        self._last = float("-inf")

    def deadline(self, now: float) -> float:
        """When a chunk whose first record came at `now` closes, in seconds of the same clock."""
        self._last = max(now + self._interval, self._last + self._spacing)
        return self._last
