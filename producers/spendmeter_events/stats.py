"""What a producer has counted so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class DropReason(StrEnum):
    """Why an event was not sent. The first five are known at `emit`, the last two later."""

    NOT_STARTED = "not_started"
    CLOSED = "closed"
    BUFFER_FULL = "buffer_full"
    INVALID = "invalid"
    """Not a `UsageEvent`, or one that cannot be written as JSON."""
    OVERSIZED = "oversized"
    """More than `MAX_EVENT_BYTES` of JSON."""
    REFUSED = "refused"
    """The broker took its neighbours and refused this one for good."""
    UNSENT = "unsent"
    """Accepted, but not acknowledged when `close()` ran out of time: the broker may have it or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerStats:
    """One moment's counts of events. `accepted = sent + buffered + dropped[refused] + dropped[unsent]`."""

    accepted: int = 0
    sent: int = 0
    """Acknowledged by all in-sync replicas."""
    buffered: int = 0
    buffered_bytes: int = 0
    dropped: Mapping[DropReason, int] = field(default_factory=lambda: MappingProxyType({}))
    failed_attempts: int = 0
    """Requests or connections that failed and are tried again."""
    connected: bool = False
    idempotent: bool | None = None
    """Whether the broker gave a producer id; None until a broker was asked."""
    last_error: str = ""

    @property
    def lost(self) -> int:
        """Events that will not be counted, whatever the reason (an unsent one may have arrived after all)."""
        return sum(self.dropped.values())
