"""Bounded buffer of accepted events, between the threads that emit and the loop that sends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from spendmeter_events._delivery.segment import Segment


class Record(NamedTuple):
    """One Kafka record.

    The timestamp is the time of `emit`, not of the metered call: retention is measured from it, and an old event
    that is imported must not expire on arrival.
    """

    key: bytes
    value: bytes
    timestamp_ms: int
    size: int
    """Bytes of key and value."""
    segment: Segment | None = None
    """The file of the spool that has this record."""

    @classmethod
    def of(cls, key: bytes, value: bytes, *, timestamp_ms: int) -> Self:
        """Return a record of these bytes."""
        return cls(key, value, timestamp_ms, len(key) + len(value))


class Buffer:
    """Count each event from `put` until `release`, so that events in flight are bounded too.

    A full buffer rejects new events; an accepted event is never dropped in favour of another.
    """

    def __init__(
        self, *, max_events: int, max_bytes: int, on_release: Callable[[Sequence[Record]], None] | None = None
    ) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._on_release = on_release
        # Re-entrant: a finalizer that emits may run while this thread owns the lock.
        self._lock = threading.RLock()
        self._waiting: deque[Record] = deque()
        self._waiting_bytes = 0
        self.accepted = 0
        self.events = 0
        self.bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes of records that `take` has not returned yet."""
        return self._waiting_bytes

    def put(self, record: Record) -> bool:
        """Accept the record, or return False if it would exceed a limit."""
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

    def has_room(self, size: int) -> bool:
        """Return whether `put` would accept a record of this size."""
        with self._lock:
            return self.events < self._max_events and self.bytes + size <= self._max_bytes

    @property
    def half_empty(self) -> bool:
        """Whether half of both limits is free."""
        return 2 * self.events <= self._max_events and 2 * self.bytes <= self._max_bytes

    def load(self, records: Sequence[Record]) -> None:
        """Append records of the spool, beyond the limits too: the spool loads a file when the buffer is half empty."""
        size = sum(record.size for record in records)
        with self._lock:
            self._waiting.extend(records)
            self._waiting_bytes += size
            self.events += len(records)
            self.bytes += size

    def take(self, max_bytes: int) -> list[Record]:
        """Remove and return the oldest waiting records, up to `max_bytes`, but at least one if any is waiting."""
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
        """Return taken records to the front of the queue. They were not released, so no limit applies."""
        with self._lock:
            self._waiting.extendleft(reversed(records))
            self._waiting_bytes += sum(record.size for record in records)

    def release(self, records: Sequence[Record]) -> None:
        """Free the space of taken records that were acknowledged or rejected permanently."""
        size = sum(record.size for record in records)
        with self._lock:
            self.events -= len(records)
            self.bytes -= size
        if self._on_release is not None:
            self._on_release(records)

    def abandon(self) -> int:
        """Drop all events, reject new ones, and return the number dropped."""
        with self._lock:
            self._max_events = 0
            abandoned, self.events, self.bytes = self.events, 0, 0
            self._waiting.clear()
            self._waiting_bytes = 0
        return abandoned
