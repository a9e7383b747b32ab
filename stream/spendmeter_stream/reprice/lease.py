"""Lease of a repricing: one run at a time appends adjustments. All times are in the store's clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

from spendmeter_clickhouse import Session, StoreError
from spendmeter_stream.errors import RepriceError
from spendmeter_stream.journal.repricing import OVER, open_blocks
from spendmeter_stream.reprice.selection import CallSelection

LEASE_SECONDS: Final = 120
"""Longer than the longest insert (the store's timeout is 60 s), so that a running process keeps its lease."""

_ASK: Final = """
    INSERT INTO reprice_runs (run_id, state, selection, price_version, deadline)
    SELECT {run:UUID}, 'leased', {selection:String}, {version:String},
        now64(3, 'UTC') + toIntervalSecond({seconds:UInt32})"""
_END: Final = """
    INSERT INTO reprice_runs (run_id, state, deadline) SELECT {run:UUID}, 'released', now64(3, 'UTC')"""
_RUNS: Final = """
    SELECT run_id, max(deadline) AS until, countIf(state = 'released') > 0 AS over, max(deadline) < now64(3) AS late
    FROM reprice_runs
    GROUP BY run_id"""


@dataclass(slots=True, kw_only=True)
class Lease:
    """The right to append adjustments until a deadline."""

    session: Session
    selection: CallSelection
    price_version: str
    seconds: int = LEASE_SECONDS
    run_id: UUID = field(default_factory=uuid4)

    async def renew(self) -> None:
        """Extend the lease to `seconds` from now.

        :raises RepriceError: the lease expired and another run took over.
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
            raise RepriceError(
                "the lease expired while the store did not answer, and another repricing took over: run it again"
            )

    async def ensure_alone(self) -> None:
        """Raise `RepriceError` if another run has a lease. End expired leases."""
        for run_id, until, over, late in (await self.session.query(_RUNS)).result_rows:
            if run_id == self.run_id or over:
                continue
            if not late:
                raise RepriceError(
                    f"another repricing is running or was killed: try again after it, or after {until:%H:%M:%S} UTC"
                )
            await self.session.command(_END, {"run": str(run_id)})

    async def release(self) -> None:
        """End the lease, unless a block may be in flight: the next run would not find its rows yet."""
        if not any(block.run_id == self.run_id for block, _ in await open_blocks(self.session)):
            await self.session.command(_END, {"run": str(self.run_id)})


@asynccontextmanager
async def lease(
    session: Session, selection: CallSelection, price_version: str, *, seconds: int = LEASE_SECONDS
) -> AsyncIterator[Lease]:
    """Hold the lease within the context.

    :param seconds: duration of a lease, which blocks other runs after a crash; longer than an insert.
    :raises RepriceError: another repricing is running.
    """
    acquired = Lease(session=session, selection=selection, price_version=price_version, seconds=seconds)
    # Write before reading: of two runs that start together, at least one sees the other.
    await acquired.renew()
    try:
        await acquired.ensure_alone()
        yield acquired
    finally:
        # If the store is down, the lease expires by itself, and the original error is the one to raise.
        with suppress(StoreError):
            await acquired.release()
