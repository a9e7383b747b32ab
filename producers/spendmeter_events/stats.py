"""Producer statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class DropReason(StrEnum):
    """Reason why an event was not sent. The first five are known at `emit`, the last two later."""

    NOT_STARTED = "not_started"
    CLOSED = "closed"
    BUFFER_FULL = "buffer_full"
    INVALID = "invalid"
    """Not a `UsageEvent`, or not encodable as JSON."""
    OVERSIZED = "oversized"
    """More than `MAX_EVENT_BYTES` of JSON."""
    REFUSED = "refused"
    """Rejected permanently by the broker."""
    UNSENT = "unsent"
    """Not acknowledged when `close()` timed out; the broker may or may not have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerStats:
    """Snapshot of event counts. `accepted = sent + buffered + spooled + dropped[refused] + dropped[unsent]`."""

    accepted: int = 0
    sent: int = 0
    """Acknowledged by all in-sync replicas."""
    buffered: int = 0
    buffered_bytes: int = 0
    spooled: int = 0
    """Events that are only in files of the spool; after `close`, all unacknowledged events of this process."""
    dropped: Mapping[DropReason, int] = field(default_factory=lambda: MappingProxyType({}))
    failed_attempts: int = 0
    """Failed requests and connections, which are retried."""
    connected: bool = False
    idempotent: bool | None = None
    """Whether the broker assigned a producer id; None before the first request."""
    last_error: str = ""

    @property
    def lost(self) -> int:
        """Number of lost events, for any reason (unsent ones may have arrived)."""
        return sum(self.dropped.values())
