"""Open chunks: an intent was written, but the consumer group has not committed the end offset."""

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
"""Reads a table with one row per partition, because a waiting command polls it ten times a second."""


@dataclass(frozen=True, slots=True)
class BegunChunk:
    """The newest chunk [start, end) of one partition, as recorded by the newest `generation`."""

    topic_id: str
    partition: int
    start: int
    end: int
    generation: int
    written_at: datetime

    def __str__(self) -> str:
        return f"partition {self.partition} [{self.start}, {self.end})"


async def newest_chunks(session: Session, topic_id: str = "") -> list[BegunChunk]:
    """Return the newest chunk of each partition. Without `topic_id`: of every topic id."""
    rows = await session.query(_NEWEST, {"topic_id": topic_id})
    return [BegunChunk(topic, partition, *chunk) for topic, partition, _, *chunk in rows.result_rows]


def still_open(chunks: Iterable[BegunChunk], committed: Mapping[int, int]) -> list[BegunChunk]:
    """Return the chunks whose end the group has not committed. A later chunk's fence closes all earlier chunks.

    :param committed: partition → the group's committed offset, for the topic id of `chunks`.
    """
    return [chunk for chunk in chunks if committed.get(chunk.partition, -1) < chunk.end]
