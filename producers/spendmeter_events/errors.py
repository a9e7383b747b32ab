"""What can go wrong where the caller waits for an answer. `emit` raises none of these: it counts.

SpendmeterError
├── InvalidSettings      the configuration cannot work; every fault is listed at once
├── EventRefused         this event can never be sent: not a `UsageEvent`, or too large
├── ProducerClosed       not started yet, or closed already
└── DeliveryFailed       the broker did not acknowledge what was to be awaited; try again
"""

from __future__ import annotations


class SpendmeterError(Exception):
    """The root of this package's errors."""


class InvalidSettings(SpendmeterError, ValueError):
    """The settings cannot work. The message lists every fault, one a line."""


class EventRefused(SpendmeterError):
    """The event can never be sent. Sending it again gives the same answer."""


class ProducerClosed(SpendmeterError):
    """The producer is not running: not started yet, or closed already."""


class DeliveryFailed(SpendmeterError):
    """The broker did not acknowledge. The records may or may not be there; sending them again is safe."""
