"""Open chunks that no worker will ever recover: their days become suspect, and the leader reconciles them.

A chunk is recovered by the next owner of its partition, from the group's committed offset. Three kinds have none: those
of a former topic epoch (each start of the embedded stack begins a new one), those of a partition that the topic has no
more, and those that a group moved by hand does not come by.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import date
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.intents import Intent, OffsetRange, abandoned, newest_intents, open_intent
from spendmeter_stream.journal.suspects import flag_suspect

log = logging.getLogger(__name__)

# Of a table with one row a partition. What was examined is remembered for 60 days.
_ORPHANS: Final = """
    SELECT topic_id, topic_partition
    FROM
    (
        SELECT topic_id, topic_partition, max(last_written_at) AS written
        FROM ingest_newest_chunks
        WHERE topic_id != {topic_id:String}
            OR (notEmpty({partitions:Array(UInt32)}) AND NOT has({partitions:Array(UInt32)}, topic_partition))
        GROUP BY topic_id, topic_partition
        HAVING written > now64(3) - INTERVAL 60 DAY
    ) AS begun
    LEFT JOIN
    (
        SELECT topic_id, topic_partition, max(at) AS at
        FROM ingest_examined
        GROUP BY topic_id, topic_partition
    ) AS examined USING (topic_id, topic_partition)
    WHERE written > at
    ORDER BY topic_id, topic_partition"""
_EXAMINED: Final = """
    SELECT count()
    FROM ingest_examined
    WHERE topic_id = {topic_id:String} AND topic_partition = {partition:UInt32}
        AND start_offset = {start:UInt64} AND at >= {until:DateTime64(3)}"""
_RAW_DAYS: Final = """
    SELECT DISTINCT toDate(occurred_at) AS day
    FROM usage_events
    WHERE topic_id = {topic_id:String} AND topic_partition = {partition:UInt32}
        AND topic_offset >= {start:UInt64} AND topic_offset < {end:UInt64}
    ORDER BY day"""


async def suspect_orphans(session: Session, *, topic_id: str, partitions: Collection[int] = ()) -> int:
    """Make the days of orphaned chunks suspect, once each; returns how many chunks there were.

    :param topic_id: the topic's current epoch, whose partitions have owners.
    :param partitions: those that the topic has now; empty where they are not known, then all have owners.
    :raises StoreError: the store failed; call it again.
    """
    parameters = {"topic_id": topic_id, "partitions": sorted(partitions)}
    rows = (await session.query(_ORPHANS, parameters)).result_rows
    found = 0
    for former, partition in rows:
        coordinates = Coordinates(former, partition)
        found += await suspect(session, coordinates, await newest_intents(session, coordinates))
    return found


async def chunk_to_recover(session: Session, coordinates: Coordinates, *, committed: int) -> Intent | None:
    """The chunk that begins at the committed offset, if an earlier owner left one; others become suspect.

    :raises StoreError: the store failed; call it again.
    """
    newest = await newest_intents(session, coordinates)
    await suspect(session, coordinates, abandoned(newest, committed=committed))
    return open_intent(newest, committed=committed)


async def suspect(session: Session, coordinates: Coordinates, intents: Sequence[Intent]) -> int:
    """Make the days of `intents` suspect, unless that was done since they were written; returns of how many."""
    found = 0
    # Oldest first, so that a partition counts as examined when its newest is.
    for intent in reversed(intents):
        if await _examined(session, coordinates, intent):
            continue
        offsets = OffsetRange(intent.offsets.start, intent.furthest)
        days = await days_of(session, coordinates, intent)
        if days:
            where = f"partition {coordinates.partition} [{offsets.start}, {offsets.end})"
            log.info("%s of topic epoch %s may be half stored: its days are reconciled", where, coordinates.topic_id)
            # In this order: a crash in between repeats the comparison, and loses nothing.
            await flag_suspect(session, coordinates, offsets, days=days)
        mark = (coordinates.topic_id, coordinates.partition, offsets.start)
        await session.insert("ingest_examined", [mark], ["topic_id", "topic_partition", "start_offset"])
        found += 1
    return found


async def days_of(session: Session, coordinates: Coordinates, intent: Intent) -> list[date]:
    """UTC days of the chunk's events: as its owners wrote them down, else of the rows that landed in raw events."""
    if intent.days:
        return list(intent.days)
    parameters = {
        "topic_id": coordinates.topic_id,
        "partition": coordinates.partition,
        "start": intent.offsets.start,
        "end": intent.furthest,
    }
    return [day for (day,) in (await session.query(_RAW_DAYS, parameters)).result_rows]


async def _examined(session: Session, coordinates: Coordinates, intent: Intent) -> bool:
    parameters = {
        "topic_id": coordinates.topic_id,
        "partition": coordinates.partition,
        "start": intent.offsets.start,
        "until": intent.until,
    }
    return bool((await session.query(_EXAMINED, parameters)).result_rows[0][0])
