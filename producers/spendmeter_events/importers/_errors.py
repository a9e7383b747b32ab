"""Errors that stop an import. An invalid row does not: it is returned as `RejectedRow`."""

from __future__ import annotations

from spendmeter_events.errors import SpendmeterError


class UnreadableFile(SpendmeterError, ValueError):
    """The file cannot be read as rows: no header, UTF-16, a truncated compressed stream."""


class InvalidMapping(SpendmeterError, ValueError):
    """The mapping does not fit the file. The message lists every fault, one per line."""
