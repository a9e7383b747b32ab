"""Each chunk's exact range, written down before its events are."""

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
# The maxima come from the table's key alone, so that the cost does not grow with the number of intents.
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
    """A chunk that was begun, as the newest generation of its owners wrote it down."""

    offsets: OffsetRange
    furthest: int
    """The greatest end that any owner wrote."""
    decided_at: datetime
    """When its first owner validated it, UTC."""
    days: tuple[date, ...]
    """UTC days of its events, by all its owners; empty for one written before days were kept."""
    since: datetime
    """When the first of its owners wrote it, by the store's clock."""
    until: datetime
    """When the last one did."""


def insert_token(coordinates: Coordinates, offsets: OffsetRange) -> str:
    """The name under which ClickHouse remembers a block."""
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
    """Write down that the block of `offsets` is about to be inserted by this generation of the group.

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
    """The chunks that can be open, newest first: at most two.

    Those are the last one, and one that a stale owner wrote beyond it without being let to commit.
    """
    rows = await session.query(_NEWEST, {"topic_id": coordinates.topic_id, "partition": coordinates.partition})
    return [
        Intent(OffsetRange(start, end), furthest, decided_at, tuple(days), since, until)
        for start, end, furthest, decided_at, days, since, until in rows.result_rows
    ]


def open_intent(newest: Iterable[Intent], *, committed: int) -> Intent | None:
    """The chunk of `newest` that begins at the committed offset, if an earlier owner left one.

    An older range means that an operator moved the group back; its events go the normal way, where whatever is
    stored is dropped.
    """
    return next((intent for intent in newest if intent.offsets.start == committed), None)


def abandoned(newest: Sequence[Intent], *, committed: int) -> Sequence[Intent]:
    """Those of `newest` that may be half stored, and that a recovery from the committed offset does not complete.

    There are some where the group was moved by hand, or starts afresh under another name.
    """
    if not newest or committed in (newest[0].offsets.start, newest[0].offsets.end):
        return []
    # A chunk after the open one was begun by a stale owner, or the group was moved back by one chunk.
    return newest[:1] if open_intent(newest, committed=committed) else newest
