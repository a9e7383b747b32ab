"""The bounded store of accepted events, between the threads that emit and the loop that sends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Self


class Record(NamedTuple):
    """One Kafka record. The timestamp is the moment of `emit`, not of the call that was made:
    the topic's retention counts from it, and an imported old event must not expire on arrival."""

    key: bytes
    value: bytes
    timestamp_ms: int
    size: int
    """Bytes of key and value: asked for at each step, counted once."""

    @classmethod
    def of(cls, key: bytes, value: bytes, *, timestamp_ms: int) -> Self:
        """A record of these bytes."""
        return cls(key, value, timestamp_ms, len(key) + len(value))


class Buffer:
    """Counts an event from `put` until `release`, so that what is being sent is bounded as well.

    When it is full the newest event is turned away: what was accepted once is never given up for another.
    """

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        # Re-entrant: a finalizer that emits may run while this thread holds it.
        self._lock = threading.RLock()
        self._waiting: deque[Record] = deque()
        self._waiting_bytes = 0
        self.accepted = 0
        self.events = 0
        self.bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes that no request has taken yet."""
        return self._waiting_bytes

    def put(self, record: Record) -> bool:
        """Accepts the record, or returns False when it would exceed a limit."""
        size = record.size
        with self._lock:
            if self.events >= self._max_events or self.bytes + size > self._max_bytes:
                return False
            self._waiting.append(record)
            self._waiting_bytes += size
            self.accepted += 1
            self.events += 1
            self.bytes += size
        return True

    def take(self, max_bytes: int) -> list[Record]:
        """The oldest waiting records, at least one if there is any, up to `max_bytes` in all."""
        taken: list[Record] = []
        total = 0
        with self._lock:
            while self._waiting and (not taken or total + self._waiting[0].size <= max_bytes):
                record = self._waiting.popleft()
                total += record.size
                taken.append(record)
            self._waiting_bytes -= total
        return taken

    def reinsert(self, records: Sequence[Record]) -> None:
        """Returns taken records to the front: they were never released, so no limit is asked."""
        with self._lock:
            self._waiting.extendleft(reversed(records))
            self._waiting_bytes += sum(record.size for record in records)

    def release(self, records: Sequence[Record]) -> None:
        """Forgets taken records: acknowledged, or refused for good."""
        size = sum(record.size for record in records)
        with self._lock:
            self.events -= len(records)
            self.bytes -= size

    def abandon(self) -> int:
        """Gives up everything, accepts nothing any more, and returns how many events that were."""
        with self._lock:
            self._max_events = 0
            abandoned, self.events, self.bytes = self.events, 0, 0
            self._waiting.clear()
            self._waiting_bytes = 0
        return abandoned
