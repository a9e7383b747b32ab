"""Panels read rollups, and raw events only at the ends of the window that no rollup covers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from spendmeter_clickhouse import Session, Store, migrate
from tests.gate.cases import CASES
from tests.gate.macros import expand
from tests.gate.statements import Statement, statements
from tests.support.store import open_store

LISTS_OF_CALLS = {("log", "Calls A"), ("errors", "Recent errors A"), ("user", "Recent calls A")}
ONE_PERSONS_MODELS = "user"
"""The board whose panels all filter by user, which no rollup combines with every other dimension."""
ENDS = 0.05
"""Maximum share of the window's raw events: the quarter-hours at its ends, and the incomplete last day."""


@pytest.fixture(scope="module")
def fine(board_store: Store, store_folder: Path) -> Iterator[Session]:
    """Raw events in small granules, so that the effect of the primary key is visible with few rows."""
    with open_store(store_folder, "fine") as store:
        asyncio.run(migrate(store))
        with store.session("fine") as session:
            asyncio.run(_copied(session, board_store.database))
            yield session


async def _copied(session: Session, database: str) -> None:
    keys = (
        "SELECT partition_key, sorting_key FROM system.tables WHERE database = {name:String} AND name = 'usage_events'"
    )
    ((partition, order),) = (await session.query(keys, {"name": database})).result_rows
    await session.command(
        f"CREATE TABLE fine_events ENGINE = MergeTree PARTITION BY {partition} ORDER BY ({order})"
        f" SETTINGS index_granularity = 64 AS SELECT * FROM {database}.usage_events"
    )
    await session.command("OPTIMIZE TABLE fine_events FINAL")


async def estimated(session: Session, sql: str) -> int:
    """Return the number of raw events that ClickHouse estimates to read."""
    fine = re.sub(r"\bFROM usage_events\b", "FROM fine_events", sql)
    rows = (await session.query(f"EXPLAIN ESTIMATE {fine}")).result_rows
    return sum(row[3] for row in rows if row[1] == "fine_events")


def panels() -> list[Statement]:
    return [found for found in statements() if found.kind not in ("variable", "annotation", "alert")]


def test_only_lists_of_calls_and_single_people_read_raw_events_throughout(fine: Session) -> None:
    case = CASES[0]
    window = f"occurred_at >= toDateTime({case.start.timestamp():.0f}, 'UTC')"

    async def found() -> tuple[int, dict[tuple[str, str], int]]:
        ((events,),) = (await fine.query(f"SELECT count() FROM fine_events WHERE {window}")).result_rows
        asked = {(found.board, found.place): expand(found.sql, case.request(found)) for found in panels()}
        return events, {place: await estimated(fine, sql) for place, sql in asked.items()}

    events, read = asyncio.run(found())
    much = {place for place, rows in read.items() if rows > 2 * ENDS * events and place[0] != ONE_PERSONS_MODELS}
    assert much | {("user", "Recent calls A")} == LISTS_OF_CALLS


def test_an_estimate_of_a_whole_window_is_seen(fine: Session) -> None:
    """Check the measure itself."""
    assert asyncio.run(estimated(fine, "SELECT sum(cost) FROM usage_events")) > 10_000
