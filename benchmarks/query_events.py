"""Fills an embedded store with generated events: raw first, then every rollup by its own view's SELECT, some days
at a time.

The views would give the same rollups with every insert, in many small pieces that merges join for a long time after.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.waiting import until
from spendmeter_clickhouse import Session, Store, migrate

DAYS: Final = 90
START: Final = date(2026, 8, 24)
NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)
"""The instant after the last event can have happened."""
_BLOCK: Final = 1_000_000
_SQL: Final = (Path(__file__).parent / "query_events.sql").read_text()


async def fill(store: Store, events: int) -> float:
    """Make about `events` events over `DAYS` days, and their rollups; returns the seconds it took."""
    began = time.perf_counter()
    await migrate(store)
    with store.session("fill") as session:
        views = await _views(session, store.database)
        for name in views:
            await session.command(f"DROP VIEW {name}")
        per_day = events // DAYS
        for first in range(0, per_day * DAYS, _BLOCK):
            rows = min(_BLOCK, per_day * DAYS - first)
            await session.command(_filled(_SQL, first=first, rows=rows, per_day=per_day, start=START))
        step = max(1, _BLOCK // per_day)
        for number in range(0, DAYS, step):
            for target, select in views.values():
                within = _of_days(select, START + timedelta(days=number), min(step, DAYS - number))
                await session.command(f"INSERT INTO {target} {within}")
        await _settle(session)
    return time.perf_counter() - began


async def _views(session: Session, database: str) -> dict[str, tuple[str, str]]:
    """View → its target and its SELECT."""
    answer = await session.query(
        "SELECT name, replaceOne(name, '_view', ''), as_select FROM system.tables"
        " WHERE database = {database:String} AND engine = 'MaterializedView'",
        {"database": database},
    )
    return {name: (target, select) for name, target, select in answer.result_rows}


def _of_days(select: str, day: date, days: int) -> str:
    """The view's SELECT over the events of some days."""
    within = (
        f"event.occurred_at >= toDateTime64('{day} 00:00:00.000', 3, 'UTC') AND "
        f"event.occurred_at < toDateTime64('{day + timedelta(days=days)} 00:00:00.000', 3, 'UTC')"
    )
    head, group, tail = select.rpartition("GROUP BY")
    assert group, select
    head = head.replace("WHERE ", f"WHERE {within} AND ", 1) if "WHERE " in head else f"{head}WHERE {within} "
    return f"{head}{group}{tail}"


async def _settle(session: Session) -> None:
    """Let the merges end that the inserts began: a store of 90 days has no day of small parts but the last."""

    async def merged() -> bool:
        return (await session.query("SELECT count() FROM system.merges")).result_rows == [(0,)]

    await until(merged, every=1)


def _filled(sql: str, **values: object) -> str:
    for name, value in values.items():
        sql = sql.replace(f"{{{name}}}", str(value))
    return sql
