"""Run a repricing: compare, then append. docs/repricing.md explains why a killed run can be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from spendmeter_clickhouse import Session
from spendmeter_stream.barrier.requests import read_barriers
from spendmeter_stream.journal.exactly_once import exactly_once
from spendmeter_stream.journal.repricing import RepricingBlock, begin_block, end_block, open_blocks, origin_of
from spendmeter_stream.journal.suspects import flag_suspect
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.recovery.completion import token_is_certain
from spendmeter_stream.reprice.adjusting import Repriced, adjustments, reprice
from spendmeter_stream.reprice.difference import CostDifference
from spendmeter_stream.reprice.interrupted import landed_rows
from spendmeter_stream.reprice.lease import Lease
from spendmeter_stream.reprice.selection import CallSelection, pieces_of
from spendmeter_stream.reprice.stored_calls import read_hours, read_piece
from spendmeter_stream.stored_cards import store_cards

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of processed calls and the total."""

PIECE_EVENTS: Final = 20_000
_POLL_SECONDS: Final = 0.5


async def compare(
    session: Session,
    selection: CallSelection,
    book: PriceBook,
    *,
    progress: Progress | None = None,
    size: int = PIECE_EVENTS,
) -> CostDifference:
    """Return what `append_adjustments` would append, by provider and model. Read-only. Raises `StoreError`."""
    difference = CostDifference()
    async for _, repriced in _pieces(session, selection, book, progress=progress, size=size):
        difference.add(repriced)
    return difference


async def append_adjustments(
    lease: Lease,
    book: PriceBook,
    *,
    progress: Progress | None = None,
    size: int = PIECE_EVENTS,
    reached: Callable[[str], None] | None = None,
) -> int:
    """Bring every selected call to the price of `book`. Return the number of appended rows.

    Calls at that price already get no row, so a run after a killed one appends only the missing rows.

    :param reached: called with `begun:N`, `inserted:N` and `ended:N`, where tests kill the process.
    :raises RepriceError: the lease is lost.
    """
    # First complete interrupted blocks: rows that landed in raw events only would be treated as repriced below.
    await complete_interrupted(lease.session)
    appended = 0
    async for block_number, repriced in _pieces(lease.session, lease.selection, book, progress=progress, size=size):
        # Before the rows: a stored adjustment always refers to a stored card.
        await store_cards(lease.session, book)
        appended += await _append(lease, block_number, repriced, reached or (lambda _: None))
    return appended


async def complete_interrupted(session: Session) -> int:
    """Complete the blocks of interrupted runs. Return their number. Requires the lease."""
    opened = await open_blocks(session)
    for block, begun_at in opened:
        rows = await landed_rows(session, block)
        # A block lands in raw events as a whole or not at all: without rows, its calls are repriced below.
        if rows.num_rows and await token_is_certain(session, begun_at):
            await _insert(session, rows, block)
        # After a ClickHouse crash a token may exist without its rows, in raw events or a rollup, and the retry is then
        # skipped. Flag the days, so that the leader reconciles them after the repricing.
        await flag_suspect(session, block.token, days=block.days())
        await end_block(session, block)
    return len(opened)


async def _pieces(
    session: Session, selection: CallSelection, book: PriceBook, *, progress: Progress | None, size: int
) -> AsyncIterator[tuple[int, Repriced]]:
    hours = await read_hours(session, selection)
    total, done = sum(events for _, events in hours), 0
    for number, piece in enumerate(pieces_of(hours, size=size)):
        counted = await read_piece(session, selection, piece)
        yield number, await asyncio.to_thread(reprice, counted, book)
        done += piece.events
        if progress is not None:
            progress(done, total)


async def _append(lease: Lease, number: int, repriced: Repriced, reached: Callable[[str], None]) -> int:
    origin = origin_of(lease.run_id)
    rows = adjustments(repriced, at=datetime.now(UTC), origin=origin, block=number)
    if not rows.num_rows:
        return 0
    span: Any = pc.min_max(rows["occurred_at"]).as_py()
    block = RepricingBlock(lease.run_id, number, _hour(span["min"]), _hour(span["max"]))
    await begin_block(lease.session, block)
    reached(f"begun:{number}")
    await _wait_for_barriers(lease)
    await _insert(lease.session, rows, block)
    reached(f"inserted:{number}")
    await end_block(lease.session, block)
    reached(f"ended:{number}")
    return rows.num_rows


async def _wait_for_barriers(lease: Lease) -> None:
    """Wait until no ingest barrier is active, and renew the lease, which commands check after requesting a barrier."""
    await lease.renew()
    while (await read_barriers(lease.session)).active:
        await asyncio.sleep(_POLL_SECONDS)
        await lease.renew()


async def _insert(session: Session, rows: pa.Table, block: RepricingBlock) -> None:
    await session.insert_arrow("usage_events", rows, settings=exactly_once(block.token))


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
