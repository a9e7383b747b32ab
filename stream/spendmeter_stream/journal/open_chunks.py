"""Chunks that may be half stored: begun by their intents, and not yet closed by the consumer group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from spendmeter_clickhouse import Session

_NEWEST: Final = """
    SELECT topic_id, topic_partition, max(newest) AS chunk, chunk.1, chunk.4, chunk.2, chunk.3
    FROM ingest_newest_chunks
    WHERE {topic_id:String} = '' OR topic_id = {topic_id:String}
    GROUP BY topic_id, topic_partition
    ORDER BY topic_id, topic_partition"""
"""From a table of one row a partition: this is asked ten times a second while a command waits."""


@dataclass(frozen=True, slots=True)
class BegunChunk:
    """The newest chunk of one partition, [start, end), as the newest `generation` of its owners wrote it down."""

    topic_id: str
    partition: int
    start: int
    end: int
    generation: int
    written_at: datetime

    def __str__(self) -> str:
        return f"partition {self.partition} [{self.start}, {self.end})"


async def newest_chunks(session: Session, topic_id: str = "") -> list[BegunChunk]:
    """The last chunk that each partition began; in every life of the topic, if none is named."""
    rows = await session.query(_NEWEST, {"topic_id": topic_id})
    return [BegunChunk(life, partition, *chunk) for life, partition, _, *chunk in rows.result_rows]


def still_open(chunks: Iterable[BegunChunk], committed: Mapping[int, int]) -> list[BegunChunk]:
    """Those whose end the group has not committed. All earlier chunks of a partition are closed by a later one's start.

    :param committed: partition → the group's offset, in the life of the topic that `chunks` are of.
    """
    return [chunk for chunk in chunks if committed.get(chunk.partition, -1) < chunk.end]
