"""How the producer buffers and retries. The defaults suit a service of any size; see docs/emitting.md."""

from __future__ import annotations

from dataclasses import dataclass

from spendmeter_events import topics
from spendmeter_events.errors import InvalidSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerSettings:
    """Raises `InvalidSettings` with every fault."""

    topic: str = topics.USAGE
    max_buffered_events: int = 100_000
    """Accepted events that wait for the broker's acknowledgement. A further one is dropped and counted."""
    max_buffered_bytes: int = 64 * 2**20
    """The same, in bytes of keys and JSON (each event costs about 200 bytes of memory more)."""
    linger_ms: int = 50
    """How long a first event waits for others to share its request."""
    batch_bytes: int = 512 * 2**10
    """From here on nothing lingers. Well below the 1 MiB that brokers usually take as one batch."""
    request_timeout_s: float = 10.0
    """For connecting and for each answer."""
    retry_backoff_s: float = 0.25
    """Pause after a first failure; doubles with each further one, up to `retry_backoff_max_s`."""
    retry_backoff_max_s: float = 15.0
    close_timeout_s: float = 10.0
    """How long `close()` may take to send what waits, unless it is told otherwise."""

    def __post_init__(self) -> None:
        positive = (
            "max_buffered_events",
            "max_buffered_bytes",
            "batch_bytes",
            "request_timeout_s",
            "retry_backoff_s",
            "retry_backoff_max_s",
        )
        faults = [f"{name} must be above 0" for name in positive if not getattr(self, name) > 0]
        faults += [
            f"{name} must not be negative" for name in ("linger_ms", "close_timeout_s") if not getattr(self, name) >= 0
        ]
        if not self.topic:
            faults.append("topic must not be empty")
        if faults:
            raise InvalidSettings("\n".join(faults))
