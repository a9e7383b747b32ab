"""Reconcile suspect days: compare their rollups with raw events, and rebuild months that differ. Leader only."""

from __future__ import annotations

import logging
from datetime import date

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.watermark import raw_kept_from
from spendmeter_stream import metrics
from spendmeter_stream.errors import BarrierError, RebuildError
from spendmeter_stream.journal.orphans import suspect_orphans
from spendmeter_stream.journal.suspects import SuspectBlock, close_suspects, open_suspects
from spendmeter_stream.kafka.group_position import Stream, open_stream
from spendmeter_stream.maintenance.rebuild import rebuild
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.verify.compare import Days, days_with_rows
from spendmeter_stream.verify.run import Surroundings, differing_days

log = logging.getLogger(__name__)


async def reconcile_suspects(session: Session, settings: StreamSettings) -> bool:
    """Reconcile all open suspect blocks. Return False if they cannot be compared now; retry later.

    :raises StoreError: the store failed; :raises KafkaError: no broker is reachable. Retry.
    """
    suspects = await open_suspects(session)
    metrics.SUSPECT_BLOCKS.set(len(suspects))
    if not suspects:
        return True
    async with open_stream(settings) as stream:
        try:
            await reconcile(session, suspects, stream)
        except (BarrierError, RebuildError) as error:
            log.warning("%d suspect blocks not reconciled, will retry: %s", len(suspects), error)
            return False
    metrics.SUSPECT_BLOCKS.set(0)
    return True


async def find_orphans(session: Session, settings: StreamSettings) -> int:
    """Flag orphaned chunks as suspect, and return their number. Raises like `reconcile_suspects`."""
    async with open_stream(settings) as stream:
        partitions = await stream.partitions() if stream.partitions else ()
        return await suspect_orphans(session, topic_id=stream.topic_id, partitions=partitions)


async def reconcile(session: Session, suspects: list[SuspectBlock], stream: Stream) -> list[date]:
    """Compare the days of `suspects`, rebuild the months that differ, and return those months.

    :raises BarrierError: ingest cannot be paused; :raises RebuildError: a month cannot be rebuilt.
    """
    days = frozenset[date]().union(*(suspect.days for suspect in suspects))
    # Raw events before the watermark were deleted, so rollups of those days cannot be compared: keep them.
    kept = await raw_kept_from(session)
    rows = await days_with_rows(session, Days(min(days), max(days)))
    rows = {day: events for day, events in rows.items() if day in days and day >= kept}
    found, stable = await differing_days(session, rows, Surroundings(stream=stream))
    if not stable:
        raise BarrierError("ingest kept changing the suspect days")
    months = sorted({day.replace(day=1) for day in found})
    for month in months:
        log.warning(
            "rollups of %s differ from raw events after an interrupted insert; rebuilding the month", f"{month:%Y-%m}"
        )
        await rebuild(session, month, stream=stream, suspects=found)
        metrics.MONTHS_REBUILT.inc()
    await close_suspects(session, suspects)
    return months
