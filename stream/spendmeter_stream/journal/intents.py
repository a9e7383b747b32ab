"""Intents: the exact offset range of each chunk, written before the chunk is inserted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_stream.journal.coordinates import Coordinates

_COLUMNS: Final = [
    "topic_id", "topic_partition", "start_offset", "end_offset", "generation", "days", "decided_at",
]  # fmt: skip
# The maxima are read from the primary key, so the cost does not grow with the number of intents.
_NEWEST: Final = """
    WITH
        (
            SELECT max(start_offset) FROM ingest_chunks
            WHERE topic_id = {topic_id:String} AND topic_partition = {partition:UInt32}
        ) AS newest,
        (
            SELECT max(start_offset) FROM ingest_chunks
            WHERE topic_id = {topic_id:String} AND topic_partition = {partition:UInt32}
                AND start_offset < newest
        ) AS before
    SELECT
        start_offset,
        argMax(end_offset, (generation, written_at)),
        max(end_offset),
        argMax(decided_at, (generation, written_at)),
        arraySort(groupUniqArrayArray(days)),
        min(written_at) AS since,
        max(written_at) AS until
    FROM ingest_chunks
    WHERE topic_id = {topic_id:String} AND topic_partition = {partition:UInt32}
        AND start_offset IN (newest, before)
    GROUP BY start_offset
    ORDER BY start_offset DESC"""


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Offsets [start, end) of one partition."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Intent:
    """A chunk that was begun, as recorded by the newest generation that owned it."""

    offsets: OffsetRange
    furthest: int
    """The greatest end offset that any owner recorded."""
    decided_at: datetime
    """The `now` of the first validation, UTC."""
    days: tuple[date, ...]
    """UTC days of its events, from all owners; empty for intents written before days were recorded."""
    since: datetime
    """When the first owner wrote it, by the store's clock."""
    until: datetime
    """When the last owner wrote it."""


def insert_token(coordinates: Coordinates, offsets: OffsetRange) -> str:
    """Return the deduplication token of a block."""
    return f"{coordinates.topic_id}:{coordinates.partition}:{offsets.start}-{offsets.end}"


async def write_intent(
    session: Session,
    coordinates: Coordinates,
    offsets: OffsetRange,
    *,
    generation: int,
    days: Iterable[date] = (),
    decided_at: datetime | None = None,
) -> None:
    """Record that this generation of the group is about to insert the block of `offsets`.

    :param days: UTC days of the block's events. :param decided_at: the `now` of the chunk's validation; now by default.
    """
    row = (
        coordinates.topic_id,
        coordinates.partition,
        offsets.start,
        offsets.end,
        generation,
        sorted(days),
        decided_at or datetime.now(UTC),
    )
    await session.insert("ingest_chunks", [row], _COLUMNS)


async def newest_intents(session: Session, coordinates: Coordinates) -> list[Intent]:
    """Return the chunks that may be open, newest first: at most two.

    These are the last chunk, and one that a stale owner recorded after it but could not commit.
    """
    rows = await session.query(_NEWEST, {"topic_id": coordinates.topic_id, "partition": coordinates.partition})
    return [
        Intent(OffsetRange(start, end), furthest, decided_at, tuple(days), since, until)
        for start, end, furthest, decided_at, days, since, until in rows.result_rows
    ]


def open_intent(newest: Iterable[Intent], *, committed: int) -> Intent | None:
    """Return the chunk of `newest` that starts at the committed offset, or None.

    An older range means that an operator reset the group's offsets. Its records become new chunks, and deduplication
    drops the stored ones.
    """
    return next((intent for intent in newest if intent.offsets.start == committed), None)


def abandoned(newest: Sequence[Intent], *, committed: int) -> Sequence[Intent]:
    """Return the chunks of `newest` that may be partly stored and that a recovery does not complete.

    They exist if the group's offsets were reset manually, or if the group was replaced by a new one.
    """
    if not newest or committed in (newest[0].offsets.start, newest[0].offsets.end):
        return []
    # A stale owner began the chunk after the open one, or the group was reset by one chunk.
    return newest[:1] if open_intent(newest, committed=committed) else newest
