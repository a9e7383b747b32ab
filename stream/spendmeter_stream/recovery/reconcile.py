"""The leader's job after an interrupted insert: compare the rollups of suspect days with raw events, and rebuild."""

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
    """Settle what can be settled now; False where something is in the way, and it has to be tried later.

    :raises StoreError: the store failed; :raises KafkaError: no broker answers. Call it again.
    """
    doubts = await open_suspects(session)
    metrics.SUSPECT_BLOCKS.set(len(doubts))
    if not doubts:
        return True
    async with open_stream(settings) as stream:
        try:
            await settle(session, doubts, stream)
        except (BarrierError, RebuildError) as error:
            log.warning("%d blocks are in doubt, and are looked at later: %s", len(doubts), error)
            return False
    metrics.SUSPECT_BLOCKS.set(0)
    return True


async def look_for_orphans(session: Session, settings: StreamSettings) -> int:
    """Make chunks suspect that no worker will recover; returns how many. Raises like `reconcile_suspects`."""
    async with open_stream(settings) as stream:
        partitions = await stream.partitions() if stream.partitions else ()
        return await suspect_orphans(session, topic_id=stream.topic_id, partitions=partitions)


async def settle(session: Session, doubts: list[SuspectBlock], stream: Stream) -> list[date]:
    """Compare the days of `doubts`, make months anew that differ; returns those months.

    :raises BarrierError: the ingest cannot be held; :raises RebuildError: a month cannot be made anew.
    """
    days = frozenset[date]().union(*(doubt.days for doubt in doubts))
    # Rollups of days before the watermark have nothing to be compared with: they stay as they are.
    kept = await raw_kept_from(session)
    rows = await days_with_rows(session, Days(min(days), max(days)))
    rows = {day: events for day, events in rows.items() if day in days and day >= kept}
    found, settled = await differing_days(session, rows, Surroundings(stream=stream))
    if not settled:
        raise BarrierError("the ingest kept changing the days in doubt")
    months = sorted({day.replace(day=1) for day in found})
    for month in months:
        log.warning(
            "rollups of %s differ from raw events after an interrupted insert: the month is rebuilt", f"{month:%Y-%m}"
        )
        await rebuild(session, month, stream=stream, suspects=found)
        metrics.MONTHS_REBUILT.inc()
    await close_suspects(session, doubts)
    return months
