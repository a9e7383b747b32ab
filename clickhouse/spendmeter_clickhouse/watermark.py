"""The first UTC day of which raw events are kept whole. Comparisons with raw events, and rebuilds, begin there."""

from __future__ import annotations

from datetime import date
from typing import Final

from spendmeter_clickhouse.store import Session

EVERYTHING: Final = date(1970, 1, 1)
"""The watermark of a store from which no raw events were deleted."""

_READ: Final = "SELECT argMax(raw_kept_from, at) FROM ingest_raw_watermarks"


async def raw_kept_from(session: Session) -> date:
    """The watermark; `EVERYTHING` where none was set. Raises `StoreError`."""
    day: date = (await session.query(_READ)).result_rows[0][0]
    return max(day, EVERYTHING)


async def set_raw_kept_from(session: Session, day: date) -> None:
    """Set the watermark, before raw events are deleted: else a check meets half of a day. Raises `StoreError`."""
    await session.insert("ingest_raw_watermarks", [(day,)], ["raw_kept_from"])
