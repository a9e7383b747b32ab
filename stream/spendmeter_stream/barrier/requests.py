"""The pause of the ingest as rows of the store: asked for by a command, obeyed by every worker.

`hold.py` is the side that asks, `gate.py` the side that obeys. docs/verify.md argues why the two together are exact.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from spendmeter_clickhouse import Session
from spendmeter_stream.journal.coordinates import Coordinates

ROLLUPS: Final = ("usage_15m", "usage_hourly", "usage_daily", "user_daily", "latency_daily")
"""Every table that a view fills from `usage_events`."""

_PAUSES: Final = """
    SELECT barrier_id, sum(balance) AS open, max(deadline) < now64(3) AS late
    FROM ingest_open_pauses
    GROUP BY barrier_id
    HAVING open > 0"""
_EVERY_PAUSE: Final = UUID(int=0)
"""Its balance in `ingest_open_pauses` is how many pauses were ever asked for."""
_HELD: Final = """
    SELECT topic_partition, start_offset, generation
    FROM paused_chunks
    WHERE barrier_id = {pause:UUID} AND topic_id = {topic_id:String}"""
_ASK: Final = """
    INSERT INTO ingest_barriers (barrier_id, happened, reason, deadline)
    SELECT {pause:UUID}, 'asked', {reason:String}, now64(3, 'UTC') + toIntervalSecond({seconds:UInt32})"""


@dataclass(frozen=True, slots=True)
class Barriers:
    """What the store knows of pauses: how many there ever were, those that are on, and those that ran out."""

    asked: int
    active: frozenset[UUID]
    expired: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class PausedChunk:
    """The owner of `partition` in `generation` waits with the chunk that begins at `start`."""

    partition: int
    start: int
    generation: int


async def read_barriers(session: Session) -> Barriers:
    """The pauses that are not over, judged by the store's clock alone. Costs the same however many there were."""
    rows = (await session.query(_PAUSES)).result_rows
    return Barriers(
        asked=next((count for pause, count, _ in rows if pause == _EVERY_PAUSE), 0),
        active=frozenset(pause for pause, _, late in rows if not late and pause != _EVERY_PAUSE),
        expired=frozenset(pause for pause, _, late in rows if late and pause != _EVERY_PAUSE),
    )


async def request_barrier(session: Session, pause: UUID, *, reason: str, seconds: int) -> None:
    """Ask every worker to wait before its next insert, for `seconds` at most."""
    await session.command(_ASK, {"pause": str(pause), "reason": reason, "seconds": seconds})


async def release_barriers(session: Session, pauses: Collection[UUID]) -> None:
    """End `pauses`, and make sure that whoever asked for them can change nothing any more.

    A rebuild replaces partitions from its shadow tables. Once those are gone, even one that was frozen past its
    deadline and wakes up cannot overwrite what is inserted from now on.
    """
    for pause in pauses:
        for rollup in ROLLUPS:
            await session.command(f"DROP TABLE IF EXISTS {shadow_of(rollup, pause)} SYNC")
        columns = ["barrier_id", "happened", "reason", "deadline"]
        await session.insert("ingest_barriers", [(pause, "ended", "", 0)], columns)


async def write_paused_chunk(
    session: Session, pause: UUID, coordinates: Coordinates, start: int, generation: int
) -> None:
    """Write down that nothing of the chunk at `start` was sent, and that nothing will be while `pause` is on."""
    row = (pause, coordinates.topic_id, coordinates.partition, start, generation)
    columns = ["barrier_id", "topic_id", "topic_partition", "start_offset", "generation"]
    await session.insert("paused_chunks", [row], columns)


async def read_paused_chunks(session: Session, pause: UUID, topic_id: str) -> set[PausedChunk]:
    """Who waits because of `pause`."""
    rows = await session.query(_HELD, {"pause": str(pause), "topic_id": topic_id})
    return {PausedChunk(*row) for row in rows.result_rows}


def shadow_of(rollup: str, pause: UUID) -> str:
    """The table in which a rebuild gathers what `rollup` shall be."""
    return f"{rollup}_rebuild_{pause.hex}"
