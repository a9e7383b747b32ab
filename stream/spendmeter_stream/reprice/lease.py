"""The lease of a repricing: one run appends adjustments at a time. The store's clock alone judges time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

from spendmeter_clickhouse import Session, StoreError
from spendmeter_stream.errors import RepriceError
from spendmeter_stream.journal.repricing import OVER, open_blocks
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
        if (await self.session.query(OVER, {"runs": [self.run_id]})).result_rows:
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
