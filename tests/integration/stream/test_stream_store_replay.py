"""A block started by one worker and completed by another, on both stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.directory import UserAttributes
from spendmeter_stream.journal.intents import OffsetRange
from spendmeter_stream.journal.landed_rows import with_landed_rows
from tests.support.blocks import (
    ELSEWHERE,
    HERE,
    block_of,
    books_of,
    empty,
    events_around_a_month_boundary,
    insert_block,
    read_books,
)

_EVENTS = events_around_a_month_boundary(100)
_RANGE = OffsetRange(0, 100)


@pytest.fixture
async def session(any_store: Store) -> AsyncIterator[Session]:
    with any_store.session("test") as session:
        await empty(session)
        yield session


def _month(block: pa.Table, month: int) -> pa.Table:
    return block.filter(pc.equal(pc.month(block["occurred_at"]), pa.scalar(month)))


def _rebuilt_block() -> pa.Table:
    """Return the same events as a block of a worker with another directory."""
    return block_of(_EVENTS, users={("school-1", "user-1"): UserAttributes(role="student", class_name="7")})


def _by_offset(block: pa.Table) -> list[dict[str, object]]:
    return sorted(block.to_pylist(), key=lambda row: row["topic_offset"])


async def test_nothing_landed(session: Session) -> None:
    block = _rebuilt_block()
    assert await with_landed_rows(session, block, HERE, _RANGE) is block
    assert await with_landed_rows(session, block.slice(0, 0), HERE, _RANGE) == block.slice(0, 0)


async def test_landed_rows_are_returned_as_stored(session: Session) -> None:
    first = block_of(_EVENTS)
    await insert_block(session, first, "whole")
    assert _by_offset(await with_landed_rows(session, _rebuilt_block(), HERE, _RANGE)) == _by_offset(first)


async def test_one_month_landed_and_the_other_is_rebuilt(session: Session) -> None:
    first, rebuilt = block_of(_EVENTS), _rebuilt_block()
    await insert_block(session, _month(first, 10), "half")
    block = await with_landed_rows(session, rebuilt, HERE, _RANGE)
    assert _by_offset(_month(block, 10)) == _by_offset(_month(first, 10))
    assert _by_offset(_month(block, 11)) == _by_offset(_month(rebuilt, 11))
    # One batch is one block, and each block has one token.
    assert [column.num_chunks for column in block.columns] == [1] * block.num_columns
    await insert_block(session, block, "half")
    assert await read_books(session) == books_of(block)


@pytest.mark.parametrize("rollup", ["usage_15m", "usage_daily", "user_daily"])
async def test_raw_and_rollups_agree_though_the_second_worker_knew_better(session: Session, rollup: str) -> None:
    # Raw events have October, the rollup has nothing: the view's rows of the second block must equal raw events.
    await session.command(f"ALTER TABLE {rollup} ADD CONSTRAINT refuse CHECK role = 'student'")
    with pytest.raises(Exception, match="VIOLATED_CONSTRAINT"):
        await insert_block(session, block_of(_EVENTS), "torn")
    await session.command(f"ALTER TABLE {rollup} DROP CONSTRAINT refuse")
    block = await with_landed_rows(session, _rebuilt_block(), HERE, _RANGE)
    await insert_block(session, block, "torn")
    assert await read_books(session) == books_of(block)
    roles = "SELECT role, sum(requests) FROM {} GROUP BY role ORDER BY role"
    raw = (await session.query(roles.format("usage_events"))).result_rows
    assert (await session.query(roles.format(rollup))).result_rows == raw


async def test_only_its_own_coordinates_and_range_are_read(session: Session) -> None:
    rebuilt = _rebuilt_block()
    await insert_block(session, block_of(_EVENTS, coordinates=ELSEWHERE), "elsewhere")
    assert await with_landed_rows(session, rebuilt, HERE, _RANGE) is rebuilt
    await insert_block(session, block_of(_EVENTS), "here")
    beyond = block_of(_EVENTS, first_offset=100)
    assert await with_landed_rows(session, beyond, HERE, OffsetRange(100, 200)) is beyond


async def test_money_and_moments_come_back_to_the_last_digit(session: Session) -> None:
    first = block_of(_EVENTS)
    await insert_block(session, first, "exact")
    back = _by_offset(await with_landed_rows(session, _rebuilt_block(), HERE, _RANGE))
    for row, made in zip(back, _by_offset(first), strict=True):
        assert isinstance(row["cost"], Decimal)
        assert (row["cost"], row["occurred_at"], row["event_id"]) == (
            made["cost"],
            made["occurred_at"],
            made["event_id"],
        )
