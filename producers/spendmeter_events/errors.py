"""Errors of calls that the caller awaits. `emit` raises none of them; it counts.

SpendmeterError
├── InvalidSettings      the configuration cannot work; every fault is listed at once
├── EventRefused         this event can never be sent: not a `UsageEvent`, or too large
├── ProducerClosed       not started yet, or closed already
└── DeliveryFailed       the broker did not acknowledge what was to be awaited; try again
"""

from __future__ import annotations


class SpendmeterError(Exception):
    """Base class of this package's errors."""


class InvalidSettings(SpendmeterError, ValueError):
    """Invalid settings. The message lists all errors, one per line."""


class EventRefused(SpendmeterError):
    """The event can never be sent; retrying fails in the same way."""


class ProducerClosed(SpendmeterError):
    """The producer is not started, or is closed."""


class DeliveryFailed(SpendmeterError):
    """The broker did not acknowledge the records. It may have them or not; sending them again is safe."""
