"""Shadow tables: the rebuilt month of each rollup, filled beside the live table and swapped in atomically."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from spendmeter_clickhouse import Session
from spendmeter_stream.barrier.requests import ROLLUPS, shadow_of
from spendmeter_stream.errors import RebuildError

_FILL_SETTINGS: Final = {
    # A block that equals an earlier one is not a retry.
    "insert_deduplicate": 0,
    "max_memory_usage": 4 * 2**30,
    "max_bytes_before_external_group_by": 2**30,
}
_ON_INSERT: Final = "SELECT count() FROM system.merge_tree_settings WHERE name = 'materialize_projections_on_insert'"
_SOURCE: Final = re.compile(r"\bFROM\s+(?:[\w`]+\.)?`?usage_events`?\s+AS\s+event\b")
_VIEWS: Final = "SELECT name, as_select FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_view'"
_COLUMNS: Final = """
    SELECT table, groupArray(name)
    FROM (
        SELECT table, name
        FROM system.columns
        WHERE database = currentDatabase() AND default_kind NOT IN ('MATERIALIZED', 'ALIAS')
        ORDER BY table, position
    )
    GROUP BY table"""
_STALE: Final = """
    SELECT name
    FROM system.tables
    WHERE database = currentDatabase() AND match(name, '_rebuild_[0-9a-f]{32}$')
        AND metadata_modification_time < now() - INTERVAL 1 DAY"""
_ALLOWS_EMPTY: Final = "SELECT count() FROM system.settings WHERE name = 'allow_replace_partition_from_empty_source'"
_ADDED: Final = {
    **dict.fromkeys(ROLLUPS, "sum(requests), sum(cost)"),
    "latency_daily": "sum(latency_requests)",
}
_COUNTED: Final = {
    **dict.fromkeys(ROLLUPS, "sum(requests), sum(cost)"),
    "latency_daily": "countIf(latency_ms IS NOT NULL)",
}
"""Totals of a shadow and of the month's raw events. They must be equal, or nothing is replaced."""
_SMALLER: Final = """
    SELECT day, sum(now) AS has, sum(gathered) AS would_have
    FROM (
        SELECT toDate(bucket) AS day, sum({measure}) AS now, 0 AS gathered
        FROM {rollup} WHERE toYYYYMM(bucket) = {{month:UInt32}} GROUP BY day
        UNION ALL
        SELECT toDate(bucket) AS day, 0 AS now, sum({measure}) AS gathered FROM {shadow} GROUP BY day
    )
    GROUP BY day
    HAVING has > would_have
    ORDER BY day"""
_REQUESTS: Final = {**dict.fromkeys(ROLLUPS, "requests"), "latency_daily": "latency_requests"}


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of `usage_events`: a condition and its parameters."""

    where: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shadow:
    """The shadow table of one rollup, and the SELECT of the rollup's view."""

    rollup: str
    table: str
    columns: str
    view: str

    async def fill(self, session: Session, selection: Selection) -> None:
        """Insert the events of `selection` with the SELECT of the rollup's view."""
        source = f"FROM (SELECT * FROM usage_events WHERE {selection.where}) AS event"
        select = _SOURCE.sub(lambda _: source, self.view)
        sql = f"INSERT INTO {self.table} ({self.columns}) SELECT {self.columns} FROM ({select})"
        parameters = dict(selection.parameters)
        await session.run(lambda client: client.command(sql, parameters=parameters, settings=dict(_FILL_SETTINGS)))

    async def check(self, session: Session, month: int) -> None:
        """Raise `RebuildError` unless the totals of `month` (YYYYMM) equal those of raw events."""
        gathered = await session.query(f"SELECT {_ADDED[self.rollup]} FROM {self.table}")
        where = "toYYYYMM(occurred_at) = {month:UInt32}"
        raw = await session.query(f"SELECT {_COUNTED[self.rollup]} FROM usage_events WHERE {where}", {"month": month})
        if gathered.result_rows != raw.result_rows:
            raise RebuildError(
                f"{self.rollup} gathered {gathered.result_rows[0]}, raw events have {raw.result_rows[0]}: another"
                " writer added events, or group offsets were reset. Nothing was replaced; try again"
            )

    async def ensure_not_smaller(self, session: Session, month: int, *, suspects: Collection[date]) -> None:
        """Raise `RebuildError` if a day of `month` (YYYYMM), except `suspects`, has more calls than its shadow."""
        sql = _SMALLER.format(measure=_REQUESTS[self.rollup], rollup=self.rollup, shadow=self.table)
        rows = (await session.query(sql, {"month": month})).result_rows
        smaller = [row for row in rows if row[0] not in suspects]
        if smaller:
            day, has, would_have = smaller[0]
            raise RebuildError(
                f"{self.rollup} would shrink on {len(smaller)} days, first on {day} from {has:,} calls to"
                f" {would_have:,}; raw events may be deleted. Nothing was replaced; --shrink overrides this check"
            )

    async def take_over(self, session: Session, month: int) -> None:
        """Replace the rollup's `month` by the shadow's atomically. Fails if the shadow was dropped."""
        # Newer servers reject an empty source by default; here it is a month of calls without latencies.
        has_setting = (await session.query(_ALLOWS_EMPTY)).result_rows[0][0]
        settings = {"allow_replace_partition_from_empty_source": 1} if has_setting else {}
        sql = f"ALTER TABLE {self.rollup} REPLACE PARTITION {month:d} FROM {self.table}"
        await session.run(lambda client: client.command(sql, settings=settings))


@asynccontextmanager
async def shadow_tables(session: Session, barrier_id: UUID) -> AsyncIterator[list[Shadow]]:
    """Create an empty shadow per rollup and drop them at the end. Drop shadows of killed rebuilds after a day."""
    for (stale,) in (await session.query(_STALE)).result_rows:
        await session.command(f"DROP TABLE IF EXISTS {stale} SYNC")
    views = {str(name): str(select) for name, select in (await session.query(_VIEWS)).result_rows}
    columns = {str(table): ", ".join(names) for table, names in (await session.query(_COLUMNS)).result_rows}
    shadows = [
        Shadow(rollup, shadow_of(rollup, barrier_id), columns[rollup], _select_of(rollup, views)) for rollup in ROLLUPS
    ]
    settings = "non_replicated_deduplication_window = 0"
    if (await session.query(_ON_INSERT)).result_rows[0][0]:
        # A replaced month may never be merged again, and merges build the projections of other parts.
        settings += ", materialize_projections_on_insert = 1"
    try:
        for shadow in shadows:
            await session.command(f"CREATE TABLE {shadow.table} AS {shadow.rollup}")
            await session.command(f"ALTER TABLE {shadow.table} MODIFY SETTING {settings}")
        yield shadows
    finally:
        for shadow in shadows:
            await session.command(f"DROP TABLE IF EXISTS {shadow.table} SYNC")


def _select_of(rollup: str, views: Mapping[str, str]) -> str:
    select = views.get(f"{rollup}_view", "")
    if len(_SOURCE.findall(select)) != 1:
        raise RebuildError(
            f"the view of {rollup} does not read `FROM usage_events AS event`. Check that the schema is Spendmeter's"
        )
    return select
