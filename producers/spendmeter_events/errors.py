"""Errors of awaited calls. `emit` raises none of them: it counts lost events.

SpendmeterError
├── InvalidSettings      the configuration is invalid; the message lists all errors
├── EventRefused         the event can never be sent: not a `UsageEvent`, or too large
├── ProducerClosed       the producer is not started, or closed
└── DeliveryFailed       the broker did not acknowledge the records; retry
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
