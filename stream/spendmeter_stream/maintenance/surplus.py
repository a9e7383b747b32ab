"""Copies of a call in more than one partition: found once a day by the leader, removed from raw events, and reconciled.

Deduplication relies on an id's partition: the copies of an event meet in it. Producers with different partitioners, or
without keys, break that, and the second copy is counted. The copy that came first stays. The others are recorded in
`ingest_surplus` and deleted; their days become suspect, so that the leader rebuilds their months. docs/exactly-once.md
says why they are deleted and not negated.
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
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.intents import OffsetRange
from spendmeter_stream.journal.suspects import flag_suspect
from spendmeter_stream.verify.queries import BOUNDED

log = logging.getLogger(__name__)

LOOK_EVERY: Final = timedelta(days=1)
_SETTLED_AFTER: Final = timedelta(hours=1)
"""Younger rows may belong to a chunk that is still to be recovered."""
_MARGIN: Final = timedelta(days=1)
"""How long a row may take from `ingested_at`, by its worker's clock, until it is in the store."""
_BEGINNING: Final = datetime(1970, 1, 2, tzinfo=UTC)
_ROWS_AT_ONCE: Final = 500
_NO_OFFSETS: Final = OffsetRange(0, 0)

_LAST: Final = "SELECT max(until), max(at), now64(3, 'UTC'), count() FROM ingest_surplus_looks"
_HOURS: Final = """
    SELECT DISTINCT toStartOfHour(occurred_at) AS hour
    FROM usage_events
    WHERE kind = 'usage' AND ingested_at >= {since:DateTime64(3)} AND ingested_at < {until:DateTime64(3)}
    ORDER BY hour"""
# Copies are stamped an hour apart at most, so any two lie in one hour or in two that follow each other.
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
            arrayZip({incarnations:Array(String)}, {partitions:Array(UInt32)}, {offsets:Array(UInt64)}),
            (toString(topic_id), topic_partition, topic_offset)
        )"""
_COLUMNS: Final = [
    "event_id", "org_id", "occurred_at", "topic_id", "topic_partition", "topic_offset", "ingested_at",
    "kept_incarnation", "kept_partition", "kept_offset",
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
    """`remove_surplus` once a day, by the store's clock; returns how many rows were removed."""
    since, now, ago = await _last_look(session)
    if ago is not None and ago < LOOK_EVERY:
        return 0
    return await remove_surplus(session, since=since, until=now - _SETTLED_AFTER)


async def remove_surplus(session: Session, *, since: datetime, until: datetime) -> int:
    """Remove copies of calls that were ingested in [since, until); returns how many.

    :raises StoreError: the store failed; call it again, nothing is lost or removed twice.
    """
    removed = 0
    for first in await _windows(session, since, until):
        rows = (await session.query(_COPIES, {"first": first, "until": until}, settings=BOUNDED)).result_rows
        surplus = list(surplus_of([Copy(*row) for row in rows]))
        for start in range(0, len(surplus), _ROWS_AT_ONCE):
            await _remove(session, surplus[start : start + _ROWS_AT_ONCE])
        removed += len(surplus)
    await session.insert("ingest_surplus_looks", [(until,)], ["until"])
    if removed:
        log.warning(
            "%d copies of calls in other partitions were removed: do all producers use one partitioner?", removed
        )
    return removed


def surplus_of(copies: Sequence[Copy]) -> Iterator[tuple[Copy, Copy]]:
    """Each row that is too many, and the row that stays: of each id the first one.

    :param copies: by `event_id`, and then in the order in which they came.
    """
    for _, group in groupby(copies, key=lambda copy: copy.event_id):
        kept, *others = group
        # Rows that share their coordinates cannot be told apart; `spendmeter verify` names them.
        yield from ((copy, kept) for copy in others if copy.place != kept.place)


async def _remove(session: Session, surplus: Sequence[tuple[Copy, Copy]]) -> None:
    """In this order: what a crash leaves undone is found and done by the next look."""
    copies = [copy for copy, _ in surplus]
    rows: list[tuple[Any, ...]] = [
        (copy.event_id, copy.org_id, copy.occurred_at, *copy.place, copy.ingested_at, *kept.place)
        for copy, kept in surplus
    ]
    await session.insert("ingest_surplus", rows, _COLUMNS)
    days = {copy.occurred_at.date() for copy in copies}
    await flag_suspect(session, Coordinates("surplus", 0), _NO_OFFSETS, days=days)
    parameters = {
        # Floored here: the store would do it in its own time zone, which may be half an hour off.
        "first": min(copy.hour for copy in copies),
        "last": max(copy.hour for copy in copies),
        "ids": [copy.event_id for copy in copies],
        "incarnations": [copy.topic_id for copy in copies],
        "partitions": [copy.partition for copy in copies],
        "offsets": [copy.offset for copy in copies],
    }
    settings = {"lightweight_deletes_sync": 2}
    await session.run(lambda client: client.command(_DELETE, parameters=parameters, settings=settings))
    # A doubt raised before may have been settled before the rows were gone.
    await flag_suspect(session, Coordinates("surplus", 0), _NO_OFFSETS, days=days)
    metrics.SURPLUS_REMOVED.inc(len(copies))


async def _windows(session: Session, since: datetime, until: datetime) -> list[datetime]:
    """The first hours of the pairs of hours that can have a copy of a row ingested in [since, until)."""
    rows = (await session.query(_HOURS, {"since": since, "until": until})).result_rows
    return sorted({moment for (hour,) in rows for moment in (hour - timedelta(hours=1), hour)})


async def _last_look(session: Session) -> tuple[datetime, datetime, timedelta | None]:
    """From when on to look, the store's clock, and how long ago the last look was; None before the first."""
    until, at, now, looks = (await session.query(_LAST)).result_rows[0]
    return (until - _MARGIN, now, now - at) if looks else (_BEGINNING, now, None)
