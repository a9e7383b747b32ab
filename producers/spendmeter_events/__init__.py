"""Spendmeter's emitting side: the event contract."""

from spendmeter_events.directory import OrgEntry, UserEntry
from spendmeter_events.event import ACTIONS, SYSTEM_USER, UsageEvent

__all__ = ["ACTIONS", "SYSTEM_USER", "OrgEntry", "UsageEvent", "UserEntry"]
