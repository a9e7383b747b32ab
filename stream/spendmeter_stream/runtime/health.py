"""Registry of failing conditions and background tasks, each with its latest error. Feeds `/readyz`."""

from __future__ import annotations

import threading
from collections.abc import Mapping

_MAX_REASON = 300


class WorkerHealth:
    """Conditions that must be met and background tasks that must run. Thread-safe.

    A condition that is met later during start is first reported as failing (`report("kafka", "not joined yet")`).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, str] = {}

    def report(self, name: str, error: BaseException | str | None) -> None:
        """Record that `name` fails with `error`; None clears the failure. The latest report wins."""
        reason = None if error is None else _one_line(error)
        with self._lock:
            if reason is None:
                self._failures.pop(name, None)
            else:
                self._failures[name] = reason

    def failures(self) -> Mapping[str, str]:
        """Return name → reason of all current failures, sorted by name; empty if the worker is ready."""
        with self._lock:
            return dict(sorted(self._failures.items()))


def _one_line(error: BaseException | str) -> str:
    if isinstance(error, BaseException):
        error = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " ".join(error.split())[:_MAX_REASON]
