"""Time zones by their IANA names, which are spelled exactly: the same set wherever a name is accepted."""

from __future__ import annotations

from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

# Files of a zoneinfo folder that are no zones of the database: what they mean differs from host to host.
_NO_ZONES: Final = frozenset(("Factory", "localtime", "posixrules"))


@cache
def zone_names() -> frozenset[str]:
    """Every name that is accepted."""
    return frozenset(available_timezones()) - _NO_ZONES


def named_zone(name: str) -> ZoneInfo | None:
    """The zone of that name; None for any other text."""
    return ZoneInfo(name) if name in zone_names() else None
