"""A store that is killed during a repricing loses no adjustment and counts none twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from spendmeter_clickhouse import Session, Store, StoreSettings, migrate
from spendmeter_stream.journal.suspects import open_suspects
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.recovery.reconcile import reconcile
from spendmeter_stream.reprice import CallSelection, append_adjustments, lease
from spendmeter_stream.verify.compare import Days, compare, days_with_rows
from tests.support.blocks import empty
from tests.support.chunks import Group
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.lost_parts import lose
from tests.support.pricing import write_book
from tests.support.records import event
from tests.support.repricing import HEAD, ensure_rollups_equal_raw, expected, insert, rate, sums

OCTOBER = CallSelection(start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 11, 1, tzinfo=UTC))


class Killed(BaseException):
    """Simulates the end of the process: no code of ours runs after it."""


@pytest.fixture
async def session(clickhouse_http: ClickHouseHttp) -> AsyncIterator[Session]:
    with Store(StoreSettings(store_dsn=clickhouse_http.dsn)) as store:
        await migrate(store)
        session = store.session("test", size=2)
        await empty(session)
        for table in (
            "ingest_suspect_blocks",
            "ingest_open_suspects",
            "reprice_blocks",
            "reprice_open_blocks",
            "reprice_runs",
        ):
            await session.command(f"TRUNCATE TABLE {table}")
        yield session


def book(folder: Path, rates: str) -> PriceBook:
    folder.mkdir()
    return write_book(folder, openai=HEAD.format("openai") + rate('"gpt-4o"', *rates.split()))


@pytest.mark.parametrize("lost", ["usage_events", "usage_daily"])
async def test_rows_of_an_adjustment_block_lost_in_a_crash_are_reinserted(
    clickhouse_http: ClickHouseHttp, session: Session, tmp_path: Path, lost: str
) -> None:
    old, new = book(tmp_path / "old", "2 8"), book(tmp_path / "new", "1 4")
    calls = [
        event(day, occurred_at=f"2026-10-{day:02}T10:00:00Z", model="gpt-4o", latency_ms=day) for day in range(1, 29)
    ]
    await session.command("SYSTEM STOP MERGES")
    await insert(session, calls, old)

    def dies(point: str) -> None:
        if point == "inserted:0":
            raise Killed

    with pytest.raises(Killed):
        async with lease(session, OCTOBER, new.version, seconds=0) as leased:
            await append_adjustments(leased, new, reached=dies)
    await lose(clickhouse_http, session, [(-1, lost, "202610")])
    async with lease(session, OCTOBER, new.version) as leased:
        await append_adjustments(leased, new)
    # The premise: a retry repaired nothing, and a second repricing counted the rollups' rows twice.
    assert await compare(session, await days_with_rows(session, Days()))
    suspects = await open_suspects(session)
    assert suspects
    await reconcile(session, suspects, Group(topic_id="life").stream())

    assert await sums(session) == expected(calls, new)
    await ensure_rollups_equal_raw(session)
    assert await open_suspects(session) == []


async def test_a_killed_block_is_flagged_on_its_utc_days_whatever_zone_the_server_has(
    session: Session, tmp_path: Path
) -> None:
    old, new = book(tmp_path / "old", "2 8"), book(tmp_path / "new", "1 4")
    # In the server's zone both hours are in November. An insert is atomic only within one month.
    calls = [
        event(1, occurred_at="2026-10-31T23:10:00Z", model="gpt-4o"),
        event(2, occurred_at="2026-11-01T00:10:00Z", model="gpt-4o"),
    ]
    await insert(session, calls, old)

    def dies(point: str) -> None:
        if point == "begun:0":
            raise Killed

    both = CallSelection(start=datetime(2026, 10, 31, tzinfo=UTC), end=datetime(2026, 11, 2, tzinfo=UTC))
    with pytest.raises(Killed):
        async with lease(session, both, new.version, seconds=0) as leased:
            await append_adjustments(leased, new, reached=dies)
    async with lease(session, both, new.version) as leased:
        assert await append_adjustments(leased, new) == 2
    assert [sorted(suspect.days) for suspect in await open_suspects(session)] == [[date(2026, 10, 31)]]
