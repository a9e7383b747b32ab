"""What stops an import before or between rows. A bad row stops nothing: it comes out as `Rejected`."""

from __future__ import annotations

from spendmeter_events.errors import SpendmeterError


class UnreadableFile(SpendmeterError, ValueError):
    """The file as a whole cannot be read as rows: no header, UTF-16, a broken gzip stream."""


class InvalidMapping(SpendmeterError, ValueError):
    """The mapping cannot make events from this file. The message lists every fault, one a line."""
