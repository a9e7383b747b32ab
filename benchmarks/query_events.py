"""Fills an embedded store with generated events: raw first, then every rollup by its own view's SELECT, some days
at a time.

The views would give the same rollups with every insert, in many small pieces that merges join for a long time after.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from spendmeter_clickhouse import Session, Store, migrate

DAYS: Final = 90
START: Final = date(2026, 8, 24)
NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)
"""The instant after the last event can have happened."""
_BLOCK: Final = 1_000_000
_STEPS: Final = 3
_MADE: Final = 15
"""Days that are made; the others are these again, later. A user's favourites repeat every three days."""
_IN_ORDER: Final = "max_threads = 1, max_insert_threads = 1, optimize_on_insert = 0, max_block_size = 65536"
_ROLLING: Final = (
    "max_threads = 2, max_insert_threads = 1, optimize_on_insert = 0, min_insert_block_size_bytes = 0, "
    "min_insert_block_size_rows = 4000000, max_insert_block_size = 4000000"
)
_SQL: Final = (Path(__file__).parent / "query_events.sql").read_text()


async def fill(store: Store, events: int) -> float:
    """Make about `events` events over `DAYS` days, and their rollups; returns the seconds it took.

    Raw events are a part a day (or more days, to `_BLOCK` events), and a part of a rollup is some of these steps:
    what merges would make of many small inserts. So none is left to do, and none disturbs what is measured.
    """
    began = time.perf_counter()
    await migrate(store)
    per_day = events // DAYS
    step = min(_MADE, max(1, _BLOCK // per_day))
    rolled = min(_MADE, step * _STEPS)
    with store.session("fill", size=2) as session:
        views = await _views(session, store.database)
        for name in views:
            await session.command(f"DROP VIEW {name}")
        await still(session)
        for target, _ in views.values():
            # As merges leave them.
            await session.command(f"ALTER TABLE {target} MODIFY SETTING materialize_projections_on_insert = 1")
        filled = asyncio.Queue[int]()
        await asyncio.gather(
            _raw(session, per_day=per_day, step=step, filled=filled),
            _roll_up(session, views.values(), step=rolled, filled=filled),
        )
        await asyncio.gather(
            _repeat(session, ["usage_events"], step=step),
            _repeat(session, [target for target, _ in views.values()], step=rolled),
        )
        for table in ("usage_daily", "latency_daily", "user_daily"):
            await _merged(session, table)
    return time.perf_counter() - began


async def still(session: Session) -> None:
    """No merge runs, nor will one before the store is opened again."""
    await session.command("SYSTEM STOP MERGES")


async def _merged(session: Session, table: str) -> None:
    """Its months as merges leave them in the end: of a person's five days there is one row, not one a part."""
    await session.command(f"SYSTEM START MERGES {table}")
    await session.command(f"OPTIMIZE TABLE {table} FINAL")
    await session.command(f"SYSTEM STOP MERGES {table}")


async def _raw(session: Session, *, per_day: int, step: int, filled: asyncio.Queue[int]) -> None:
    """Insert raw events, day by day, and put the end of each part into `filled`."""
    for day in range(0, _MADE, step):
        days = min(step, _MADE - day)
        await session.command(block(first=day * per_day, rows=days * per_day, per_day=per_day, start=START))
        filled.put_nowait(day + days)


async def _roll_up(
    session: Session, views: Collection[tuple[str, str]], *, step: int, filled: asyncio.Queue[int]
) -> None:
    """Each view's SELECT over `step` days, as soon as these have all their events."""
    done = 0
    while done < _MADE:
        there = await filled.get()
        days = min(step, _MADE - done)
        if there < done + days:
            continue
        for target, select in views:
            within = _of_days(select, START + timedelta(days=done), days)
            await session.command(f"INSERT INTO {target} {within} SETTINGS {_ROLLING}")
        done += days


async def _repeat(session: Session, tables: Collection[str], *, step: int) -> None:
    """Add each table's first `_MADE` days once more, as often as `DAYS` has room."""
    for later in range(_MADE, DAYS, _MADE):
        for day in range(0, _MADE, step):
            for table in tables:
                await session.command(_repeated(table, START + timedelta(days=day), min(step, _MADE - day), later))


def _repeated(table: str, day: date, days: int, later: int) -> str:
    raw = table == "usage_events"
    # Qualified, for the bare name is what it becomes.
    time = "source.occurred_at" if raw else "source.bucket"
    moved = {
        "usage_events": ("occurred_at",),
        "latency_daily": ("bucket",),
    }.get(table, ("bucket", "first_seen", "last_seen"))
    changes = [f"source.{column} + toIntervalDay({later}) AS {column}" for column in moved]
    if raw:
        # Ids of their own, in the same order.
        changes.append(f"reinterpretAsUUID(reinterpretAsUInt128(source.event_id) + {later}) AS event_id")
    return (
        f"INSERT INTO {table} SELECT * REPLACE ({', '.join(changes)}) FROM {table} AS source"
        f" WHERE {time} >= toDateTime('{day} 00:00:00', 'UTC')"
        f" AND {time} < toDateTime('{day + timedelta(days=days)} 00:00:00', 'UTC') SETTINGS {_IN_ORDER}"
    )


async def _views(session: Session, database: str) -> dict[str, tuple[str, str]]:
    """View of raw events → its target and its SELECT."""
    answer = await session.query(
        "SELECT name, replaceOne(name, '_view', ''), as_select FROM system.tables"
        " WHERE database = {database:String} AND engine = 'MaterializedView'"
        " AND as_select LIKE '%.usage_events AS event%'",
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


def block(*, first: int, rows: int, per_day: int, start: date) -> str:
    """A statement that inserts the raw events from number `first` on."""
    sql = _SQL
    for name, value in {"first": first, "rows": rows, "per_day": per_day, "start": start}.items():
        sql = sql.replace(f"{{{name}}}", str(value))
    return sql
