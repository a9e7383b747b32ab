"""Producer settings: buffering and retries. The defaults suit services of any size; see docs/emitting.md."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path

from spendmeter_events import topics
from spendmeter_events.errors import InvalidSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerSettings:
    """Raises `InvalidSettings` with all errors."""

    topic: str = topics.USAGE
    max_buffered_events: int = 100_000
    """Maximum number of accepted, unacknowledged events. Further events are dropped and counted."""
    max_buffered_bytes: int = 64 * 2**20
    """The same limit in bytes of keys and JSON (each event takes about 200 bytes more memory)."""
    linger_ms: int = 50
    """Maximum time that a batch waits for more events."""
    batch_bytes: int = 512 * 2**10
    """Batch size that is sent without lingering. Well below the usual 1 MiB limit of brokers."""
    request_timeout_s: float = 10.0
    """Timeout of connecting and of each request."""
    retry_backoff_s: float = 0.25
    """Backoff after the first failure; doubles with each further failure, up to `retry_backoff_max_s`."""
    retry_backoff_max_s: float = 15.0
    close_timeout_s: float = 10.0
    """Default timeout of `close()` for sending the buffer."""
    spool_dir: Path | None = None
    """Folder that has a copy of each accepted event until its acknowledgement. Processes may share it."""
    spool_max_bytes: int = 2**30
    """Size limit of the folder. Further events are dropped and counted."""

    def __post_init__(self) -> None:
        positive = (
            "max_buffered_events",
            "max_buffered_bytes",
            "spool_max_bytes",
            "batch_bytes",
            "request_timeout_s",
            "retry_backoff_s",
            "retry_backoff_max_s",
        )
        faults = [f"{name} must be above 0 and finite" for name in positive if not 0 < getattr(self, name) < inf]
        faults += [
            f"{name} must be 0 or more, and finite"
            for name in ("linger_ms", "close_timeout_s")
            if not 0 <= getattr(self, name) < inf
        ]
        if not self.topic:
            faults.append("topic must not be empty")
        if faults:
            raise InvalidSettings("\n".join(faults))
