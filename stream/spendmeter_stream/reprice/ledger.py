"""Who reprices at the moment, and which blocks were begun. The store's clock alone judges time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from spendmeter_clickhouse import Session, StoreError
from spendmeter_stream.reprice.errors import RepriceError
from spendmeter_stream.reprice.selection import Selection

LEASE_SECONDS: Final = 120
"""Longer than the longest insert (the store's timeout is 60 s), so that a run that lives never loses its lease."""

_ASK: Final = """
    INSERT INTO reprice_runs (run_id, happened, selection, price_version, deadline)
    SELECT {run:UUID}, 'asked', {selection:String}, {version:String},
        now64(3, 'UTC') + toIntervalSecond({seconds:UInt32})"""
_END: Final = """
    INSERT INTO reprice_runs (run_id, happened, deadline) SELECT {run:UUID}, 'ended', now64(3, 'UTC')"""
_RUNS: Final = """
    SELECT run_id, max(deadline) AS until, countIf(happened = 'ended') > 0 AS over, max(deadline) < now64(3) AS late
    FROM reprice_runs
    GROUP BY run_id"""
_OVER: Final = """
    SELECT DISTINCT run_id FROM reprice_runs WHERE run_id IN {runs:Array(UUID)} AND happened = 'ended'"""
# By the index of deadlines: a run renews its lease for each of its blocks, so the ledger grows by a row a block.
_LIVE: Final = """
    SELECT run_id, max(deadline) FROM reprice_runs WHERE deadline >= now64(3) GROUP BY run_id"""
_BLOCK: Final = """
    INSERT INTO reprice_blocks (run_id, block, happened, first_hour, last_hour)
    SELECT {run:UUID}, {block:UInt32}, {happened:String}, {first:DateTime}, {last:DateTime}"""
_OPEN: Final = """
    SELECT run_id, block, min(first_hour), max(last_hour), min(at)
    FROM reprice_open_blocks
    GROUP BY run_id, block
    HAVING sum(balance) > 0
    ORDER BY run_id, block"""


@dataclass(frozen=True, slots=True)
class Block:
    """Adjustments that are inserted together. `number` counts within one run."""

    run_id: UUID
    number: int
    first_hour: datetime
    last_hour: datetime

    @property
    def origin(self) -> str:
        """What its rows have as `incarnation`; no topic's life is called so."""
        return origin_of(self.run_id)

    @property
    def token(self) -> str:
        """The name under which ClickHouse remembers it."""
        return f"{self.origin}:{self.number}"

    def days(self) -> list[date]:
        """The UTC days that it may touch."""
        first, last = self.first_hour.date(), self.last_hour.date()
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def origin_of(run_id: UUID) -> str:
    """The `incarnation` of the rows of a run."""
    return f"reprice:{run_id.hex}"


@dataclass(slots=True, kw_only=True)
class Lease:
    """The right to append adjustments, for a while."""

    session: Session
    selection: Selection
    price_version: str
    seconds: int = LEASE_SECONDS
    run_id: UUID = field(default_factory=uuid4)

    async def renew(self) -> None:
        """Take the lease for `seconds` from now.

        :raises RepriceError: we were late, and another run has taken our place.
        """
        await self.session.command(
            _ASK,
            {
                "run": str(self.run_id),
                "selection": self.selection.describe(),
                "version": self.price_version,
                "seconds": self.seconds,
            },
        )
        if (await self.session.query(_OVER, {"runs": [self.run_id]})).result_rows:
            raise RepriceError("the store was silent for so long that another repricing took over: run it again")

    async def ensure_alone(self) -> None:
        """Raise `RepriceError` while another run has a lease; take over from those that died."""
        for run_id, until, over, late in (await self.session.query(_RUNS)).result_rows:
            if run_id == self.run_id or over:
                continue
            if not late:
                raise RepriceError(
                    f"another repricing runs, or was killed: wait for it, or until {until:%H:%M:%S} UTC, and try again"
                )
            await self.session.command(_END, {"run": str(run_id)})

    async def give_up(self) -> None:
        """Let others begin at once; not while a block of ours may be on its way, which they would look for in vain."""
        if not any(block.run_id == self.run_id for block, _ in await open_blocks(self.session)):
            await self.session.command(_END, {"run": str(self.run_id)})


@asynccontextmanager
async def lease(
    session: Session, selection: Selection, price_version: str, *, seconds: int = LEASE_SECONDS
) -> AsyncIterator[Lease]:
    """Be the only repricing for as long as the block lasts.

    :param seconds: how long others wait for us after we die; more than an insert takes.
    :raises RepriceError: another one runs.
    """
    held = Lease(session=session, selection=selection, price_version=price_version, seconds=seconds)
    # Asked before it is looked for: of two that begin together at least one sees the other.
    await held.renew()
    try:
        await held.ensure_alone()
        yield held
    finally:
        # Where the store is gone, the lease simply runs out; what stopped us is the error to show.
        with suppress(StoreError):
            await held.give_up()


async def repricing_until(session: Session) -> datetime | None:
    """Until when a repricing may append rows; None while none does. For commands that must not meet one."""
    live = (await session.query(_LIVE)).result_rows
    runs = [run_id for run_id, _ in live]
    over = {run_id for (run_id,) in (await session.query(_OVER, {"runs": runs})).result_rows} if runs else set()
    return max((until for run_id, until in live if run_id not in over), default=None)


async def open_blocks(session: Session) -> list[tuple[Block, datetime]]:
    """Blocks that were begun and not ended, and when they were begun."""
    rows = (await session.query(_OPEN)).result_rows
    return [(Block(run_id, number, first, last), at) for run_id, number, first, last, at in rows]


async def begin_block(session: Session, block: Block) -> None:
    """Write down that `block` is about to be inserted."""
    await _write(session, block, "begun")


async def end_block(session: Session, block: Block) -> None:
    """Write down that `block` is stored whole."""
    await _write(session, block, "ended")


async def _write(session: Session, block: Block, happened: str) -> None:
    parameters = {
        "run": str(block.run_id),
        "block": block.number,
        "happened": happened,
        "first": block.first_hour,
        "last": block.last_hour,
    }
    await session.command(_BLOCK, parameters)
