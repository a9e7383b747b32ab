"""The leader's job after a store was killed: rollups of the days in doubt against raw events, mended if they differ."""

from __future__ import annotations

import logging
from datetime import date

from spendmeter_clickhouse import Session
from spendmeter_stream import metrics
from spendmeter_stream.doubts import Doubt, end_doubts, open_doubts
from spendmeter_stream.errors import HoldError, RebuildError
from spendmeter_stream.rebuild import rebuild
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.stream import Stream, open_stream
from spendmeter_stream.verify.compare import Days, days_with_rows
from spendmeter_stream.verify.run import Surroundings, differing_days

log = logging.getLogger(__name__)


async def settle_open_doubts(session: Session, settings: StreamSettings) -> bool:
    """Settle what can be settled now; False where something is in the way, and it has to be tried later.

    :raises StoreError: the store failed; :raises KafkaError: no broker answers. Call it again.
    """
    doubts = await open_doubts(session)
    metrics.ROLLUP_DOUBTS.set(len(doubts))
    if not doubts:
        return True
    async with open_stream(settings) as stream:
        try:
            await settle(session, doubts, stream)
        except (HoldError, RebuildError) as error:
            log.warning("%d blocks are in doubt, and are looked at later: %s", len(doubts), error)
            return False
    metrics.ROLLUP_DOUBTS.set(0)
    return True


async def settle(session: Session, doubts: list[Doubt], stream: Stream) -> list[date]:
    """Compare the days of `doubts`, make months anew that differ; returns those months.

    :raises HoldError: the ingest cannot be held; :raises RebuildError: a month cannot be made anew.
    """
    days = frozenset[date]().union(*(doubt.days for doubt in doubts))
    rows = await days_with_rows(session, Days(min(days), max(days)))
    rows = {day: events for day, events in rows.items() if day in days}
    found, settled = await differing_days(session, rows, Surroundings(stream=stream))
    if not settled:
        raise HoldError("the ingest kept changing the days in doubt")
    months = sorted({day.replace(day=1) for day in found})
    for month in months:
        log.warning("a killed store lost rollup rows of %s: made anew from raw events", f"{month:%Y-%m}")
        await rebuild(session, month, stream=stream)
        metrics.MONTHS_MENDED.inc()
    await end_doubts(session, doubts)
    return months
