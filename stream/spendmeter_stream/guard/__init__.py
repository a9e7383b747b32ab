"""The spend guard: detect runaway spend within a minute and send alerts. See docs/alerts.md."""

from spendmeter_stream.guard.service import SpendGuard

__all__ = ["SpendGuard"]
