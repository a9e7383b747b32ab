"""Accepted time zones: exact IANA names, the same set everywhere."""

from __future__ import annotations

from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

# Files in zoneinfo folders that are not IANA zones; their meaning differs between hosts.
_NO_ZONES: Final = frozenset(("Factory", "localtime", "posixrules"))


@cache
def zone_names() -> frozenset[str]:
    """Return all accepted names."""
    return frozenset(available_timezones()) - _NO_ZONES


def named_zone(name: str) -> ZoneInfo | None:
    """Return the zone with this name, or None."""
    return ZoneInfo(name) if name in zone_names() else None
