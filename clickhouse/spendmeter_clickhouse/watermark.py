"""The first UTC day with complete raw events. Comparisons and rebuilds start there."""

from __future__ import annotations

from datetime import date
from typing import Final

from spendmeter_clickhouse.store import Session

EVERYTHING: Final = date(1970, 1, 1)
"""Watermark of a store with all raw events."""

_READ: Final = "SELECT argMax(raw_kept_from, at) FROM ingest_raw_watermarks"


async def raw_kept_from(session: Session) -> date:
    """Return the watermark, or `EVERYTHING` if none is set. Raises `StoreError`."""
    day: date = (await session.query(_READ)).result_rows[0][0]
    return max(day, EVERYTHING)


async def set_raw_kept_from(session: Session, day: date) -> None:
    """Set the watermark. Do so before deleting raw events, so that no check sees a partial day. Raises `StoreError`."""
    await session.insert("ingest_raw_watermarks", [(day,)], ["raw_kept_from"])
