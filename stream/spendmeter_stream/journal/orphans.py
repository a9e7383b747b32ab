"""Orphaned chunks: no worker will recover them, so their days are flagged as suspect and reconciled by the leader.

The next owner of a partition recovers its open chunk from the group's committed offset. Three kinds have no next owner:
chunks of an earlier topic epoch (each start of the embedded stack begins a new one), chunks of a partition that no
longer exists, and chunks that a manual offset reset skips.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import date
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.intents import Intent, OffsetRange, abandoned, insert_token, newest_intents, open_intent
from spendmeter_stream.journal.suspects import flag_suspect

log = logging.getLogger(__name__)

# From a table with one row per partition. Examinations are kept for 60 days.
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
        FROM ingest_orphan_checkpoints
        GROUP BY topic_id, topic_partition
    ) AS examined USING (topic_id, topic_partition)
    WHERE written > at
    ORDER BY topic_id, topic_partition"""
_EXAMINED: Final = """
    SELECT count()
    FROM ingest_orphan_checkpoints
    WHERE topic_id = {topic_id:String} AND topic_partition = {partition:UInt32}
        AND start_offset = {start:UInt64} AND at >= {until:DateTime64(3)}"""
_RAW_DAYS: Final = """
    SELECT DISTINCT toDate(occurred_at) AS day
    FROM usage_events
    WHERE topic_id = {topic_id:String} AND topic_partition = {partition:UInt32}
        AND topic_offset >= {start:UInt64} AND topic_offset < {end:UInt64}
    ORDER BY day"""


async def suspect_orphans(session: Session, *, topic_id: str, partitions: Collection[int] = ()) -> int:
    """Flag the days of each orphaned chunk as suspect, once, and return the number of chunks.

    :param topic_id: the current topic id, whose partitions have owners.
    :param partitions: the topic's current partitions; empty if unknown, then all partitions count as owned.
    :raises StoreError: the store failed; retry.
    """
    parameters = {"topic_id": topic_id, "partitions": sorted(partitions)}
    rows = (await session.query(_ORPHANS, parameters)).result_rows
    found = 0
    for earlier, partition in rows:
        coordinates = Coordinates(earlier, partition)
        found += await _flag_each(session, coordinates, await newest_intents(session, coordinates))
    if found:
        # Even after a clean stop: the broker of an earlier epoch no longer reports which chunks were closed.
        log.info("comparing the days of the last %d chunks of earlier topic epochs with raw events, once", found)
    return found


async def chunk_to_recover(session: Session, coordinates: Coordinates, *, committed: int) -> Intent | None:
    """Return the open chunk at the committed offset, or None. Flag the days of other partly stored chunks as suspect.

    :raises StoreError: the store failed; retry.
    """
    newest = await newest_intents(session, coordinates)
    await _flag_each(session, coordinates, abandoned(newest, committed=committed))
    return open_intent(newest, committed=committed)


async def _flag_each(session: Session, coordinates: Coordinates, intents: Sequence[Intent]) -> int:
    """Flag the days of each intent as suspect, unless done since it was written; return the number flagged."""
    found = 0
    # Oldest first: examining the newest chunk marks the whole partition as examined.
    for intent in reversed(intents):
        if await _examined(session, coordinates, intent):
            continue
        offsets = OffsetRange(intent.offsets.start, intent.furthest)
        days = await days_of(session, coordinates, intent)
        if days:
            chunk = f"partition {coordinates.partition} [{offsets.start}, {offsets.end})"
            log.debug("orphaned chunk %s of topic id %s: its days will be reconciled", chunk, coordinates.topic_id)
            # The order matters: a crash in between repeats the comparison and loses nothing.
            await flag_suspect(session, insert_token(coordinates, offsets), days=days)
        mark = (coordinates.topic_id, coordinates.partition, offsets.start)
        await session.insert("ingest_orphan_checkpoints", [mark], ["topic_id", "topic_partition", "start_offset"])
        found += 1
    return found


async def days_of(session: Session, coordinates: Coordinates, intent: Intent) -> list[date]:
    """Return the UTC days of the chunk's events from its intents, or else from the rows that landed."""
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
