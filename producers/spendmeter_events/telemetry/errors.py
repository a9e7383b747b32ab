"""Records that are not calls of a provider."""

from __future__ import annotations

from spendmeter_events.errors import SpendmeterError


class NotCounted(SpendmeterError):
    """The record must not be counted, such as an answer from a gateway's own cache. The message has the reason."""
