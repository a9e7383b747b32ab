"""Limits of option values, and days and times in options. A value beyond what the store can represent is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

import typer

MAX_UINT32: Final = 2**32 - 1
"""Largest value of the store's UInt32 columns; partitions and attempts are below it too."""
MAX_COUNT: Final = 2**53
"""Largest limit of rows and bytes, as in the settings."""
MAX_OFFSET: Final = 2**63 - 1
"""Largest offset of a Kafka record."""
FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(2149, 5, 31)
"""Last day of the last whole month of ClickHouse's type Date."""


def supported_day(value: datetime | None) -> datetime | None:
    """Return the value of a day or month option; a callback of `typer.Option`.

    :raises BadParameter: the day is outside `FIRST_DAY` … `LAST_DAY`.
    """
    if value is not None and not FIRST_DAY <= value.date() <= LAST_DAY:
        raise typer.BadParameter(f"{value.date()} is outside {FIRST_DAY} … {LAST_DAY}")
    return value


def parse_time(text: str, *, option: str) -> datetime:
    """Return a day or a time in UTC; UTC is assumed without an offset.

    :raises BadParameter: `text` is no ISO 8601 time, or is outside `FIRST_DAY` … `LAST_DAY`.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time; expected 2026-11-20 or 2026-11-20T12:00:00Z", param_hint=option
        ) from None
    # Checked before the conversion to UTC, which overflows near the years 1 and 9999.
    if not FIRST_DAY <= time.date() <= LAST_DAY:
        raise typer.BadParameter(f"{text!r} is outside {FIRST_DAY} … {LAST_DAY}", param_hint=option)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
