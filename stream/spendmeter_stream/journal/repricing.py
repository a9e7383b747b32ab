"""The journal of repricing: the lease of a running repricing, and the blocks that it began."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from spendmeter_clickhouse import Session

OVER: Final = """
    SELECT DISTINCT run_id FROM reprice_runs WHERE run_id IN {runs:Array(UUID)} AND state = 'released'"""
# Uses the index on deadlines: a run renews its lease for each block, so the table grows by one row per block.
_LIVE: Final = """
    SELECT run_id, max(deadline) FROM reprice_runs WHERE deadline >= now64(3) GROUP BY run_id"""
_BLOCK: Final = """
    INSERT INTO reprice_blocks (run_id, block, state, first_hour, last_hour)
    SELECT {run:UUID}, {block:UInt32}, {state:String}, {first:DateTime}, {last:DateTime}"""
_OPEN: Final = """
    SELECT run_id, block, min(first_hour), max(last_hour), min(at)
    FROM reprice_open_blocks
    GROUP BY run_id, block
    HAVING sum(balance) > 0
    ORDER BY run_id, block"""


@dataclass(frozen=True, slots=True)
class RepricingBlock:
    """Adjustments that are inserted as one block. `number` counts within one run."""

    run_id: UUID
    number: int
    first_hour: datetime
    last_hour: datetime

    @property
    def origin(self) -> str:
        """The `topic_id` of its rows; no Kafka topic has such an id."""
        return origin_of(self.run_id)

    @property
    def token(self) -> str:
        """Its deduplication token."""
        return f"{self.origin}:{self.number}"

    def days(self) -> list[date]:
        """Return the UTC days that it may affect."""
        first, last = self.first_hour.date(), self.last_hour.date()
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def origin_of(run_id: UUID) -> str:
    """Return the `topic_id` of a run's rows."""
    return f"reprice:{run_id.hex}"


async def repricing_until(session: Session) -> datetime | None:
    """Return until when a repricing may append rows, or None. For commands that must not overlap with one."""
    live = (await session.query(_LIVE)).result_rows
    runs = [run_id for run_id, _ in live]
    over = {run_id for (run_id,) in (await session.query(OVER, {"runs": runs})).result_rows} if runs else set()
    return max((until for run_id, until in live if run_id not in over), default=None)


async def open_blocks(session: Session) -> list[tuple[RepricingBlock, datetime]]:
    """Return blocks that were begun but not ended, and when they were begun."""
    rows = (await session.query(_OPEN)).result_rows
    return [(RepricingBlock(run_id, number, first, last), at) for run_id, number, first, last, at in rows]


async def begin_block(session: Session, block: RepricingBlock) -> None:
    """Record that `block` is about to be inserted."""
    await _write(session, block, "started")


async def end_block(session: Session, block: RepricingBlock) -> None:
    """Record that `block` is stored completely."""
    await _write(session, block, "completed")


async def _write(session: Session, block: RepricingBlock, state: str) -> None:
    parameters = {
        "run": str(block.run_id),
        "block": block.number,
        "state": state,
        "first": block.first_hour,
        "last": block.last_hour,
    }
    await session.command(_BLOCK, parameters)
