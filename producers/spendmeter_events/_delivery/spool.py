"""Disk spool: files with a copy of each accepted event until its acknowledgement.

`emit` writes the event to the page cache before it returns, so a kill of the process loses nothing; a power failure may
lose the last seconds. While the buffer has room, events are in a file and in memory, and a file is deleted when all of
its events are acknowledged. When the buffer is full, events are only in files, which are loaded later, oldest first.
Files of processes that ended are loaded too, by whichever process locks them first. A file is sent again as a whole:
the worker counts each `event_id` once.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from spendmeter_events._delivery.buffer import Buffer, Record
from spendmeter_events._delivery.losses import logger
from spendmeter_events._delivery.segment import DAMAGED, SUFFIX, Segment
from spendmeter_events._fork import reset_after_fork
from spendmeter_events.errors import InvalidSettings

_LEAST_SEGMENT_BYTES: Final = 2**20
_MOST_SEGMENTS: Final = 64
"""Each is an open file."""
_MOST_ORPHANS: Final = 16
"""Files of ended processes that are taken over at a time."""
_SCAN_INTERVAL_S: Final = 60.0


class Spool:
    """The files of one process. `accept` may be called from any thread, `load` and `close` from the sending one."""

    def __init__(self, folder: Path, *, max_bytes: int, buffer: Buffer) -> None:
        if sys.platform == "win32":
            raise InvalidSettings("spool_dir: file locks (flock) are not available on Windows")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidSettings(f"spool_dir: cannot create the folder {folder} ({error.strerror})") from None
        self._folder = folder
        self._max_bytes = max_bytes
        self._buffer = buffer
        self._segment_bytes = max(_LEAST_SEGMENT_BYTES, max_bytes // _MOST_SEGMENTS)
        # Re-entrant: a finalizer that emits may run while this thread owns the lock.
        self._lock = threading.RLock()
        self._current: Segment | None = None
        self._waiting: deque[Segment] = deque()
        """Files whose events are not in memory, oldest first; the last may be the current one."""
        self._orphans: deque[Segment] = deque()
        """Files of processes that ended."""
        self._loaded: set[Segment] = set()
        self._own_bytes = 0
        self._other_bytes = 0
        """Of other processes, at the last scan."""
        self._next_scan = 0.0
        self._faulty = False
        self.only_in_memory = 0
        """Unacknowledged events that could not be written."""
        _spools.add(self)

    @property
    def waiting_events(self) -> int:
        """Events of this process that are only in files."""
        with self._lock:
            return sum(segment.events for segment in self._waiting)

    @property
    def has_waiting(self) -> bool:
        """Whether `load` has a file to load."""
        return bool(self._waiting or self._orphans)

    def accept(self, record: Record) -> bool:
        """Write the record, and put it into the buffer if it has room. Return False if the spool is full."""
        with self._lock:
            in_memory = not self._waiting and self._buffer.has_room(record.size)
            try:
                segment = self._writable(in_memory=in_memory)
                if self._other_bytes + self._own_bytes + record.size > self._max_bytes:
                    return False
                self._own_bytes += segment.append(record)
            except OSError as error:
                self._report(error)
                accepted = self._buffer.put(record)
                self.only_in_memory += accepted
                return accepted
            self._faulty = False
            if not in_memory:
                self._buffer.accepted += 1
                return True
            segment.in_memory += 1
            return self._buffer.put(record._replace(segment=segment))

    def scan(self, *, at_once: bool = False) -> None:
        """Take over files of processes that ended, and measure the folder: once a minute, or `at_once`."""
        now = time.monotonic()
        if now < self._next_scan and not at_once:
            return
        with self._lock:
            self._next_scan = now + _SCAN_INTERVAL_S
            own = {segment.path for segment in self._segments()}
            self._other_bytes = sum(
                self._inspect(path) for path in sorted(self._folder.glob(f"*{SUFFIX}")) if path not in own
            )

    def load(self) -> None:
        """Load the oldest file into the buffer, if the buffer is half empty."""
        with self._lock:
            if not self.has_waiting or not self._buffer.half_empty:
                return
            foreign = bool(self._orphans)
            segment = (self._orphans or self._waiting).popleft()
            if segment is self._current:
                self._current = None
            segment.sealed = True
            try:
                records = segment.records()
            except OSError as error:
                self._report(error)
                segment.close()
                return
            if foreign:
                # This process has not counted its events yet.
                self._buffer.accepted += len(records)
                logger.info("Sending %d usage events of the spool %s", len(records), segment.path)
            if segment.damaged:
                logger.warning("Usage events in the spool %s are damaged; it is kept as *%s", segment.path, DAMAGED)
            segment.in_memory = len(records)
            self._loaded.add(segment)
            self._buffer.load(records)
            self._remove_if_done(segment)

    def acknowledged(self, records: Sequence[Record]) -> None:
        """Delete the files whose records are all acknowledged."""
        with self._lock:
            for record in records:
                if record.segment is None:
                    self.only_in_memory -= 1
                else:
                    record.segment.in_memory -= 1
            for segment in {record.segment for record in records if record.segment is not None}:
                self._remove_if_done(segment)

    def close(self) -> None:
        """Leave the files with unacknowledged events to the next process."""
        with self._lock:
            for segment in self._segments():
                if segment.size:
                    segment.close()
                else:
                    segment.remove()
            self._drop_all()

    def forget(self) -> None:
        """Close the files in a forked child: they belong to the parent, which still has them locked."""
        self._lock = threading.RLock()
        for segment in self._segments():
            segment.close()
        self._drop_all()

    def _segments(self) -> set[Segment]:
        return {*self._loaded, *self._waiting, *self._orphans}

    def _drop_all(self) -> None:
        self._loaded, self._waiting, self._orphans, self._current = set(), deque(), deque(), None
        self._own_bytes = 0

    def _inspect(self, path: Path) -> int:
        """Take over the file of a process that ended; return the bytes of any other file."""
        segment = Segment.take_over(path) if len(self._orphans) < _MOST_ORPHANS else None
        if segment is None:
            try:
                return path.stat().st_size
            except OSError:
                return 0
        if segment.size:
            self._orphans.append(segment)
            self._own_bytes += segment.size
        else:
            segment.remove()
        return 0

    def _writable(self, *, in_memory: bool) -> Segment:
        current = self._current
        only_on_disk = bool(self._waiting) and self._waiting[-1] is current
        if current is None or current.size >= self._segment_bytes or in_memory == only_on_disk:
            if current is not None:
                current.sealed = True
                self._remove_if_done(current)
            self.scan(at_once=True)
            current = self._current = Segment.create(self._folder)
            (self._loaded.add if in_memory else self._waiting.append)(current)
        return current

    def _remove_if_done(self, segment: Segment) -> None:
        if segment.in_memory or segment not in self._loaded:
            return
        self._own_bytes -= segment.size
        with contextlib.suppress(OSError):
            if segment.sealed:
                self._loaded.discard(segment)
                segment.remove()
            else:
                segment.clear()

    def _report(self, error: OSError) -> None:
        if not self._faulty:
            self._faulty = True
            logger.warning("Cannot write the spool %s (%s); events are only in memory", self._folder, error)


_spools: Final[weakref.WeakSet[Spool]] = weakref.WeakSet()
reset_after_fork(_spools, Spool.forget)
