"""One file of the spool: records that a process accepted, each with length and checksum.

A write that a kill interrupts leaves an incomplete last record, which was not accepted. The file is locked (`flock`) by
the process that writes or sends it; the kernel unlocks it when the process ends in any way.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import Final, Self

from spendmeter_events._delivery.buffer import Record
from spendmeter_events._uuid7 import uuid7

if sys.platform != "win32":
    import fcntl

SUFFIX: Final = ".spool"
DAMAGED: Final = ".damaged"
"""Suffix of a file in which a record was changed. Its other records are sent, and it is kept."""
_HEAD: Final = struct.Struct("<II")
"""Length of key and value, and their CRC-32."""
_KEY_BYTES: Final = 16
_MAX_RECORD: Final = 2**20


class Segment:
    """An open, locked file. Not thread-safe: `Spool` has the lock."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = os.fstat(descriptor).st_size
        self.in_memory = 0
        """Records of this file in the buffer or in flight."""
        self.events = 0
        """Records that this process wrote."""
        self.sealed = False
        """Whether no more records are added."""
        self.damaged = False
        """Whether `records` found a changed record."""
        self._descriptor = descriptor

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Create a locked file. It gets its name after it is locked, so that no other process takes it over."""
        path = folder / f"{uuid7()}{SUFFIX}"
        temporary = path.with_suffix(".new")
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            temporary.rename(path)
        except BaseException:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
            raise
        return cls(path, descriptor)

    @classmethod
    def take_over(cls, path: Path) -> Self | None:
        """Open and lock a file whose process has ended; None if another process has it, or removed it."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                segment = cls(path, descriptor)
                segment.sealed = True
                return segment
        except OSError:
            pass
        os.close(descriptor)
        return None

    def append(self, record: Record) -> int:
        """Write one record, and return its bytes. Raises `OSError`, and leaves the file as it was."""
        body = record.key + record.value
        written = _HEAD.pack(len(body), zlib.crc32(body)) + body
        try:
            if os.write(self._descriptor, written) != len(written):
                raise OSError(28, "no space left on device")
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(written)
        self.events += 1
        return len(written)

    def clear(self) -> None:
        """Remove all records: each is acknowledged."""
        os.ftruncate(self._descriptor, 0)
        self.size = self.events = 0

    def records(self) -> list[Record]:
        """Return all records that are complete and unchanged. Raises `OSError`."""
        content = os.pread(self._descriptor, self.size, 0)
        # The time of sending: retention is measured from it, and the outage may have been longer than the retention.
        now, position = time.time_ns() // 1_000_000, 0
        found = []
        while position + _HEAD.size <= len(content):
            length, checksum = _HEAD.unpack_from(content, position)
            body = content[position + _HEAD.size : position + _HEAD.size + length]
            if not _KEY_BYTES < length <= _MAX_RECORD:
                self.damaged = True
                break
            if len(body) < length:
                break
            if zlib.crc32(body) == checksum:
                found.append(Record(body[:_KEY_BYTES], body[_KEY_BYTES:], now, length, self))
            else:
                self.damaged = True
            position += _HEAD.size + length
        return found

    def remove(self) -> None:
        """Delete and close the file; rename it if it is damaged."""
        if self.damaged:
            self.path.rename(self.path.with_suffix(DAMAGED))
        else:
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close the file, which unlocks it for the next process."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
