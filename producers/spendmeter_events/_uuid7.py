"""UUID version 7 (RFC 9562, method 3): sorts by time, and increases within one process.

Replaces `uuid.uuid7`, which Python has from 3.14 on.
"""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

from spendmeter_events._fork import after_fork

_lock = threading.Lock()
_last = 0


def _forget_lock() -> None:
    """Replace the lock in a forked child: a thread of the parent may hold it forever."""
    global _lock
    _lock = threading.Lock()


after_fork(_forget_lock)


def uuid7() -> UUID:
    """Return a new id: 48 bits of Unix milliseconds, 12 bits of sub-millisecond time, 62 random bits."""
    global _last
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    stamp = milliseconds << 12 | (rest * 4096 // 1_000_000)
    with _lock:
        # Keep ids increasing when the clock stops or jumps back.
        stamp = _last = max(stamp, _last + 1)
    random = int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    return UUID(int=(stamp >> 12) << 80 | 7 << 76 | (stamp & 0xFFF) << 64 | 2 << 62 | random)
