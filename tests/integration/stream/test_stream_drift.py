"""The drift check compares a day only for a reason, under any leader; ClickHouse rejects reads over the limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest

from spendmeter_clickhouse import Session, Store, StoreError
from spendmeter_clickhouse.watermark import set_raw_kept_from
from spendmeter_stream.maintenance.rebuild import rebuild
from spendmeter_stream.verify import check_drift
from tests.support.limits import limited_session
from tests.support.usage import insert_usage, usage_row

FIRST: Final = date(2026, 10, 4)
DAYS: Final = [FIRST + timedelta(days=number) for number in range(7)]
EVENTS: Final = 40_000
"""Events per day."""
_MORE: Final = f"""
    INSERT INTO usage_events
    SELECT event.* REPLACE(
        generateUUIDv4(number) AS event_id, occurred_at + toIntervalSecond(number % 80000) AS occurred_at)
    FROM usage_events AS event, numbers({EVENTS - 1}) AS numbers"""
_ONE_MORE: Final = """
    INSERT INTO usage_events SELECT * REPLACE(generateUUIDv4() AS event_id) FROM usage_events LIMIT 1"""


@pytest.fixture
async def session(chdb_store: Store) -> AsyncIterator[Session]:
    """Yield a session with seven days that were just compared."""
    with chdb_store.session("drift") as session:
        if not (await session.query("SELECT count() FROM usage_events")).result_rows[0][0]:
            rows = [usage_row(n, datetime(day.year, day.month, day.day, tzinfo=UTC)) for n, day in enumerate(DAYS)]
            await asyncio.to_thread(insert_usage, chdb_store, rows)
            await session.command(_MORE)
        await session.command("TRUNCATE TABLE ingest_compared_days")
        assert await check_drift(session, days=DAYS) == 0
        yield session


@pytest.fixture
async def another_leader(chdb_store: Store, session: Session) -> AsyncIterator[Session]:
    """Yield a session that may not read a tenth of one day."""
    with limited_session(chdb_store, rows=EVENTS // 10) as limited:
        yield limited


async def test_days_that_did_not_change_are_not_read_again_by_any_leader(another_leader: Session) -> None:
    assert await check_drift(another_leader, days=DAYS) == 0


async def test_once_a_night_every_day_is_compared(session: Session, another_leader: Session) -> None:
    await _compared(session, "now64(3) - INTERVAL 1 DAY")
    with pytest.raises(StoreError, match="max rows"):
        await check_drift(another_leader, days=DAYS)


async def test_a_comparison_from_a_clock_that_was_ahead_puts_none_off(
    session: Session, another_leader: Session
) -> None:
    await _compared(session, "now64(3) + INTERVAL 9 HOUR")
    with pytest.raises(StoreError, match="max rows"):
        await check_drift(another_leader, days=DAYS)


async def test_late_events_are_compared_in_two_hours_at_the_latest(session: Session, another_leader: Session) -> None:
    await session.command(_ONE_MORE)
    assert await check_drift(another_leader, days=DAYS) == 0
    await _compared(session, "now64(3) - INTERVAL 2 HOUR")
    with pytest.raises(StoreError, match="max rows"):
        await check_drift(another_leader, days=DAYS)


@pytest.mark.parametrize("column", ["requests", "cost"])
async def test_a_rollup_that_lost_rows_is_reported_until_it_is_repaired(session: Session, column: str) -> None:
    await session.command(
        f"INSERT INTO usage_hourly SELECT * REPLACE(CAST(1, toTypeName({column})) AS {column}) FROM usage_hourly"
        f" WHERE bucket < '2026-10-05' LIMIT 1"
    )
    assert await check_drift(session, days=DAYS) == 1
    assert await check_drift(session, days=DAYS) == 1
    await rebuild(session, FIRST, stream=None, shrink=True)
    assert await check_drift(session, days=DAYS) == 0


async def test_a_day_of_which_only_a_rollup_has_rows_is_found(session: Session) -> None:
    day = date(2026, 9, 1)
    await session.command(
        "INSERT INTO usage_daily SELECT * REPLACE(toDateTime('2026-09-01', 'UTC') AS bucket) FROM usage_daily LIMIT 1"
    )
    assert await check_drift(session, days=[day]) == 1


async def test_days_before_the_watermark_are_not_compared(session: Session) -> None:
    await session.command("ALTER TABLE usage_daily DELETE WHERE bucket < '2026-10-05' SETTINGS mutations_sync = 2")
    assert await check_drift(session, days=DAYS) == 1
    await set_raw_kept_from(session, date(2026, 10, 5))
    try:
        assert await check_drift(session, days=DAYS) == 0
        assert await check_drift(session, days=DAYS[:1]) == 0
    finally:
        await session.command("TRUNCATE TABLE ingest_raw_watermarks")
        await rebuild(session, FIRST, stream=None)


async def _compared(session: Session, at: str) -> None:
    """Set the time of the last comparison."""
    await session.command("CREATE OR REPLACE TABLE earlier AS ingest_compared_days")
    await session.command(f"INSERT INTO earlier SELECT day, totals, differing, {at} FROM ingest_compared_days")
    await session.command("EXCHANGE TABLES earlier AND ingest_compared_days")
    await session.command("DROP TABLE earlier SYNC")
