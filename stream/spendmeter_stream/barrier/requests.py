"""Ingest barriers as rows in ClickHouse: requested by a command, observed by every worker.

`barrier.py` is the command side, `waiter.py` the worker side. docs/verify.md proves the protocol.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from spendmeter_clickhouse import Session
from spendmeter_stream.journal.coordinates import Coordinates

ROLLUPS: Final = ("usage_15m", "usage_hourly", "usage_daily", "user_daily", "latency_daily")
"""All tables that materialized views fill from `usage_events`."""

_UNRELEASED: Final = """
    SELECT barrier_id, sum(balance) AS open, max(deadline) < now64(3) AS late
    FROM ingest_open_barriers
    GROUP BY barrier_id
    HAVING open > 0"""
_ALL: Final = UUID(int=0)
"""Its balance in `ingest_open_barriers` is the number of barriers ever requested."""
_PAUSED: Final = """
    SELECT topic_partition, start_offset, generation
    FROM ingest_paused_chunks
    WHERE barrier_id = {barrier:UUID} AND topic_id = {topic_id:String}"""
_REQUEST: Final = """
    INSERT INTO ingest_barriers (barrier_id, state, reason, deadline)
    SELECT {barrier:UUID}, 'requested', {reason:String}, now64(3, 'UTC') + toIntervalSecond({seconds:UInt32})"""


@dataclass(frozen=True, slots=True)
class Barriers:
    """The number of barriers ever requested, and the ids of the active and of the expired ones."""

    requested: int
    active: frozenset[UUID]
    expired: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class PausedChunk:
    """The owner of `partition` in `generation` has paused the chunk at `start`."""

    partition: int
    start: int
    generation: int


async def read_barriers(session: Session) -> Barriers:
    """Return the barriers that are not released, by the store's clock. Constant cost, however many there were."""
    rows = (await session.query(_UNRELEASED)).result_rows
    return Barriers(
        requested=next((count for barrier, count, _ in rows if barrier == _ALL), 0),
        active=frozenset(barrier for barrier, _, late in rows if not late and barrier != _ALL),
        expired=frozenset(barrier for barrier, _, late in rows if late and barrier != _ALL),
    )


async def request_barrier(session: Session, barrier: UUID, *, reason: str, seconds: int) -> None:
    """Request that every worker pauses before its next insert, for at most `seconds`."""
    await session.command(_REQUEST, {"barrier": str(barrier), "reason": reason, "seconds": seconds})


async def release_barriers(session: Session, barriers: Collection[UUID]) -> None:
    """Release `barriers`, and prevent later changes by the commands that requested them.

    A rebuild replaces partitions from its shadow tables. Once they are dropped, a rebuild that was frozen past its
    deadline and resumes cannot overwrite rows inserted from now on.
    """
    for barrier in barriers:
        for rollup in ROLLUPS:
            await session.command(f"DROP TABLE IF EXISTS {shadow_of(rollup, barrier)} SYNC")
        columns = ["barrier_id", "state", "reason", "deadline"]
        await session.insert("ingest_barriers", [(barrier, "released", "", 0)], columns)


async def write_paused_chunk(
    session: Session, barrier: UUID, coordinates: Coordinates, start: int, generation: int
) -> None:
    """Record that no row of the chunk at `start` was sent, and that none will be while `barrier` is active."""
    row = (barrier, coordinates.topic_id, coordinates.partition, start, generation)
    columns = ["barrier_id", "topic_id", "topic_partition", "start_offset", "generation"]
    await session.insert("ingest_paused_chunks", [row], columns)


async def read_paused_chunks(session: Session, barrier: UUID, topic_id: str) -> set[PausedChunk]:
    """Return the chunks that are paused at `barrier`."""
    rows = await session.query(_PAUSED, {"barrier": str(barrier), "topic_id": topic_id})
    return {PausedChunk(*row) for row in rows.result_rows}


def shadow_of(rollup: str, barrier: UUID) -> str:
    """Return the name of the shadow table in which a rebuild collects the new rows of `rollup`."""
    return f"{rollup}_rebuild_{barrier.hex}"
