"""The spend guard: sees runaway spend within the minute, and tells of it. docs/alerts.md."""

from spendmeter_stream.guard.service import SpendGuard

__all__ = ["SpendGuard"]
