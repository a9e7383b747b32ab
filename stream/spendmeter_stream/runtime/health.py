"""What keeps a worker from being ready: named conditions and background tasks, each with its newest error."""

from __future__ import annotations

import threading
from collections.abc import Mapping

_MAX_REASON = 300


class Health:
    """A registry of conditions that must hold and of background tasks that must run. Any thread may use it.

    A condition that holds only later in the start is reported as failing first (`report("kafka", "not joined yet")`).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, str] = {}

    def report(self, name: str, error: BaseException | str | None) -> None:
        """Record that `name` fails because of `error`; None records that it works. The newest report counts."""
        reason = None if error is None else _one_line(error)
        with self._lock:
            if reason is None:
                self._failures.pop(name, None)
            else:
                self._failures[name] = reason

    def failures(self) -> Mapping[str, str]:
        """Name → reason of everything that fails now, in order of names; empty when the worker is ready."""
        with self._lock:
            return dict(sorted(self._failures.items()))


def _one_line(error: BaseException | str) -> str:
    if isinstance(error, BaseException):
        error = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " ".join(error.split())[:_MAX_REASON]
