"""Each chunk's exact range, written down before its events are."""

from __future__ import annotations

from dataclasses import dataclass

from spendmeter_clickhouse import Session
from spendmeter_stream.block import Coordinates

_COLUMNS = ["incarnation", "topic_partition", "start_offset", "end_offset", "generation"]
_LATEST = """
    SELECT start_offset, argMax(end_offset, (generation, written_at))
    FROM ingest_chunks
    WHERE incarnation = {incarnation:String} AND topic_partition = {partition:UInt32}
    GROUP BY start_offset
    ORDER BY start_offset DESC
    LIMIT 2"""


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Offsets [start, end) of one partition."""

    start: int
    end: int


def insert_token(coordinates: Coordinates, offsets: OffsetRange) -> str:
    """The name under which ClickHouse remembers a block."""
    return f"{coordinates.incarnation}:{coordinates.partition}:{offsets.start}-{offsets.end}"


async def write_intent(session: Session, coordinates: Coordinates, offsets: OffsetRange, *, generation: int) -> None:
    """Write down that the block of `offsets` is about to be inserted by this generation of the group."""
    row = (
        coordinates.incarnation,
        coordinates.partition,
        offsets.start,
        offsets.end,
        generation,
    )
    await session.insert("ingest_chunks", [row], _COLUMNS)


async def open_intent(session: Session, coordinates: Coordinates, *, committed: int) -> OffsetRange | None:
    """The range that begins at the committed offset, if an earlier owner left one.

    Only the two newest starts can be open: the last chunk, and one that a stale owner wrote beyond it without
    being let to commit. An older range means that an operator moved the group back; its events go the normal
    way, where whatever is stored is dropped.
    """
    rows = await session.query(_LATEST, {"incarnation": coordinates.incarnation, "partition": coordinates.partition})
    for start, end in rows.result_rows:
        if start == committed:
            return OffsetRange(start, end)
    return None
