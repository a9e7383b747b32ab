"""Repricing that is interrupted or competes with another run: resumed, completed or refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from spendmeter_clickhouse import Session, Store, StoreError
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.reprice import RepriceError, append_adjustments, complete_interrupted, lease
from tests.support.repricing import (
    ALL,
    apply,
    blank,
    calls,
    ensure_rollups_equal_raw,
    expected,
    first_book,
    insert,
    second_book,
    sums,
)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    return first_book(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    return second_book(tmp_path_factory.mktemp("second"))


@pytest.fixture
async def session(store: Store) -> AsyncIterator[Session]:
    with store.session("reprice-test") as opened:
        await blank(opened)
        yield opened


class Killed(BaseException):
    """Simulates the end of the process: no code of ours runs after it."""


@pytest.mark.parametrize("point", ["begun:2", "inserted:2", "ended:2"])
async def test_a_run_that_dies_is_finished_by_the_next(
    session: Session, first: PriceBook, second: PriceBook, point: str
) -> None:
    events = calls()
    await insert(session, events, first)

    def reached(where: str) -> None:
        if where == point:
            raise Killed

    with pytest.raises(Killed):
        await apply(session, second, size=40, reached=reached, seconds=0)
    assert await sums(session) != expected(events, second)
    await apply(session, second, size=90)
    assert await sums(session) == expected(events, second)
    await ensure_rollups_equal_raw(session)
    assert await complete_interrupted(session) == 0


async def test_a_block_that_reached_raw_but_not_every_rollup_is_completed(
    session: Session, first: PriceBook, second: PriceBook
) -> None:
    """Given a view that fails after the others, when the run is repeated without it, then rollups equal raw events."""
    events = calls()
    await insert(session, events, first)
    await _break_rollups(session)
    with pytest.raises(StoreError):
        await apply(session, second, seconds=0)
    landed = await session.query("SELECT count() FROM usage_events WHERE kind = 'adjustment'")
    assert landed.result_rows[0][0] > 0
    await session.command("DROP VIEW failing_view")
    await apply(session, second)
    assert await sums(session) == expected(events, second)
    await ensure_rollups_equal_raw(session)


async def _break_rollups(session: Session) -> None:
    await session.command("CREATE TABLE IF NOT EXISTS failing_target (x UInt8) ENGINE = Null")
    await session.command(
        "CREATE MATERIALIZED VIEW failing_view TO failing_target AS"
        " SELECT throwIf(kind = 'adjustment') AS x FROM usage_events"
    )


async def test_two_repricings_do_not_meet(session: Session, first: PriceBook, second: PriceBook) -> None:
    await insert(session, calls(), first)
    async with lease(session, ALL, second.version, seconds=60):
        with pytest.raises(RepriceError, match="another repricing"):
            await apply(session, second)
    assert await apply(session, second) > 0


async def test_a_block_that_may_be_in_flight_blocks_the_next_run(
    session: Session, first: PriceBook, second: PriceBook
) -> None:
    """Its rows are not in raw events yet, so the next run would reprice their calls twice."""
    await insert(session, calls(), first)
    await _break_rollups(session)
    with pytest.raises(StoreError):
        await apply(session, second)
    await session.command("DROP VIEW failing_view")
    with pytest.raises(RepriceError, match="another repricing"):
        await apply(session, second)


async def test_a_lease_that_was_taken_over_is_lost(session: Session, first: PriceBook, second: PriceBook) -> None:
    await insert(session, calls(), first)
    async with lease(session, ALL, second.version, seconds=0) as frozen:
        await apply(session, second)
        with pytest.raises(RepriceError, match="took over"):
            await append_adjustments(frozen, first)
