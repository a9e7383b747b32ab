"""Remove copies of a call in more than one partition, once a day on the leader.

Deduplication requires all copies of an event in one partition. Producers with different partitioners or without keys
break that, and the second copy is counted. The first copy is kept. The others are recorded in `ingest_surplus` and
deleted, and their days are flagged suspect, so that the leader reconciles them. docs/exactly-once.md explains why they
are deleted and not negated.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from spendmeter_clickhouse import Session
from spendmeter_stream import metrics
from spendmeter_stream.journal.suspects import flag_suspect
from spendmeter_stream.verify.queries import BOUNDED

log = logging.getLogger(__name__)

CHECK_INTERVAL: Final = timedelta(days=1)
_MIN_AGE: Final = timedelta(hours=1)
"""Newer rows may belong to a chunk that is not recovered yet."""
_MARGIN: Final = timedelta(days=1)
"""Maximum delay between `ingested_at` (worker's clock) and the insert into the store."""
_BEGINNING: Final = datetime(1970, 1, 2, tzinfo=UTC)
ROWS_AT_ONCE: Final = 500

_LAST: Final = "SELECT max(until), max(at), now64(3, 'UTC'), count() FROM ingest_surplus_scans"
_HOURS: Final = """
    SELECT DISTINCT toStartOfHour(occurred_at) AS hour
    FROM usage_events
    WHERE kind = 'usage' AND ingested_at >= {since:DateTime64(3)} AND ingested_at < {until:DateTime64(3)}
    ORDER BY hour"""
# Timestamps of copies differ by at most an hour, so any two are in the same or in consecutive hours.
_COPIES: Final = """
    SELECT event_id, org_id, occurred_at, topic_id, topic_partition, topic_offset, ingested_at
    FROM usage_events
    WHERE kind = 'usage' AND toStartOfHour(occurred_at) IN ({first:DateTime}, {first:DateTime} + 3600)
        AND ingested_at < {until:DateTime64(3)}
        AND event_id IN
        (
            SELECT event_id
            FROM usage_events
            WHERE kind = 'usage' AND toStartOfHour(occurred_at) IN ({first:DateTime}, {first:DateTime} + 3600)
            GROUP BY event_id
            HAVING count() > 1 AND uniqExact(topic_id, topic_partition, topic_offset) > 1
        )
    ORDER BY event_id, ingested_at, topic_id, topic_partition, topic_offset"""
_DELETE: Final = """
    DELETE FROM usage_events
    WHERE kind = 'usage'
        AND toStartOfHour(occurred_at) BETWEEN {first:DateTime} AND {last:DateTime}
        AND has({ids:Array(UUID)}, event_id)
        AND has(
            arrayZip({topic_ids:Array(String)}, {partitions:Array(UInt32)}, {offsets:Array(UInt64)}),
            (toString(topic_id), topic_partition, topic_offset)
        )"""
_DELETE_ADJUSTMENTS: Final = """
    DELETE FROM usage_events
    WHERE kind = 'adjustment'
        AND toStartOfHour(occurred_at) BETWEEN {first:DateTime} AND {last:DateTime}
        AND has({ids:Array(UUID)}, adjusts)"""
_COLUMNS: Final = [
    "event_id", "org_id", "occurred_at", "topic_id", "topic_partition", "topic_offset", "ingested_at",
    "kept_topic_id", "kept_partition", "kept_offset",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Copy:
    """One stored row of a call."""

    event_id: UUID
    org_id: str
    occurred_at: datetime
    topic_id: str
    partition: int
    offset: int
    ingested_at: datetime

    @property
    def place(self) -> tuple[str, int, int]:
        """Its coordinates."""
        return self.topic_id, self.partition, self.offset

    @property
    def hour(self) -> datetime:
        """The UTC hour in which it occurred."""
        return self.occurred_at.replace(minute=0, second=0, microsecond=0)


async def remove_surplus_when_due(session: Session) -> int:
    """Run `remove_surplus` once a day by the store's clock. Return the number of removed rows."""
    since, now, ago = await _last_check(session)
    if ago is not None and ago < CHECK_INTERVAL:
        return 0
    return await remove_surplus(session, since=since, until=now - _MIN_AGE)


async def remove_surplus(session: Session, *, since: datetime, until: datetime) -> int:
    """Remove copies of calls ingested in [since, until). Return the number of removed rows.

    :raises StoreError: the store failed; a retry loses nothing and removes nothing twice.
    """
    removed = 0
    for first in await _windows(session, since, until):
        rows = (await session.query(_COPIES, {"first": first, "until": until}, settings=BOUNDED)).result_rows
        surplus = list(surplus_of([Copy(*row) for row in rows]))
        for start in range(0, len(surplus), ROWS_AT_ONCE):
            await remove(session, surplus[start : start + ROWS_AT_ONCE])
        removed += len(surplus)
    await session.insert("ingest_surplus_scans", [(until,)], ["until"])
    if removed:
        log.warning(
            "removed %d copies of calls in other partitions; check that all producers use the same partitioner", removed
        )
    return removed


def surplus_of(copies: Sequence[Copy]) -> Iterator[tuple[Copy, Copy]]:
    """Yield each surplus row with the row that is kept, the first of its id.

    :param copies: ordered by `event_id`, then by arrival.
    """
    for _, group in groupby(copies, key=lambda copy: copy.event_id):
        kept, *others = group
        # Rows with equal coordinates are indistinguishable; `spendmeter verify` reports them.
        yield from ((copy, kept) for copy in others if copy.place != kept.place)


async def remove(session: Session, surplus: Sequence[tuple[Copy, Copy]], *, adjustments: bool = False) -> None:
    """Record, flag, delete, in this order: the next check completes the work after a crash.

    :param surplus: rows to remove, each with the row that is kept; at most `ROWS_AT_ONCE`.
    :param adjustments: also remove the adjustments of the removed calls, because no row with their id is kept.
    """
    copies = [copy for copy, _ in surplus]
    rows: list[tuple[Any, ...]] = [
        (copy.event_id, copy.org_id, copy.occurred_at, *copy.place, copy.ingested_at, *kept.place)
        for copy, kept in surplus
    ]
    await session.insert("ingest_surplus", rows, _COLUMNS)
    days = {copy.occurred_at.date() for copy in copies}
    await flag_suspect(session, "surplus", days=days)
    parameters = {
        # Round down here: the store would use its own time zone, which may have a half-hour offset.
        "first": min(copy.hour for copy in copies),
        "last": max(copy.hour for copy in copies),
        "ids": [copy.event_id for copy in copies],
        "topic_ids": [copy.topic_id for copy in copies],
        "partitions": [copy.partition for copy in copies],
        "offsets": [copy.offset for copy in copies],
    }
    if adjustments:
        await _delete(session, _DELETE_ADJUSTMENTS, parameters)
    await _delete(session, _DELETE, parameters)
    # Flag again: the first flag may have been reconciled before the rows were deleted.
    await flag_suspect(session, "surplus", days=days)
    metrics.SURPLUS_REMOVED.inc(len(copies))


async def _delete(session: Session, statement: str, parameters: dict[str, Any]) -> None:
    settings = {"lightweight_deletes_sync": 2}
    await session.run(lambda client: client.command(statement, parameters=parameters, settings=settings))


async def _windows(session: Session, since: datetime, until: datetime) -> list[datetime]:
    """Return the first hour of each pair of hours that can contain a copy of a row ingested in [since, until)."""
    rows = (await session.query(_HOURS, {"since": since, "until": until})).result_rows
    return sorted({first for (hour,) in rows for first in (hour - timedelta(hours=1), hour)})


async def _last_check(session: Session) -> tuple[datetime, datetime, timedelta | None]:
    """Return the start of the next check, the store's clock, and the time since the last check, if any."""
    until, at, now, checks = (await session.query(_LAST)).result_rows[0]
    return (until - _MARGIN, now, now - at) if checks else (_BEGINNING, now, None)
