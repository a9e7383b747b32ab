"""Rebuild while a real worker inserts, the leader checks closed days, and a repricing runs."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_stream import worker as worker_module
from spendmeter_stream.errors import BarrierError, RebuildError
from spendmeter_stream.journal.repricing import RepricingBlock, begin_block, end_block
from spendmeter_stream.journal.suspects import flag_suspect
from spendmeter_stream.kafka.group_position import open_stream
from spendmeter_stream.maintenance.rebuild import rebuild
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.verify import Days, Surroundings, check_drift, verify
from tests.support.chunks import NOVEMBER, value
from tests.support.metrics import metric
from tests.support.records import record
from tests.support.until import until
from tests.support.usage import insert_usage, usage_row
from tests.support.worker import publish, stream_settings, working


@pytest.fixture
async def session(store: Store) -> AsyncIterator[Session]:
    with store.session("test", size=2) as session:
        yield session


class Producing:
    """Publish events of two months in small batches until stopped; `sent` counts them."""

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self._going = True
        self.sent = 0
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._going = False
        await self._task

    async def _run(self) -> None:
        numbers = itertools.count(500_000)
        while self._going:
            batch = [next(numbers) for _ in range(40)]
            records = [
                record(n, org_id="live", latency_ms=n % 700, occurred_at=f"2026-{10 + n % 2}-{1 + n % 20:02}T10:00:00Z")
                for n in batch
            ]
            await publish(self._settings.connection(), records)
            self.sent += len(batch)
            # A few hundred events a second: a flood would only test how fast the machine is.
            await asyncio.sleep(0.1)


async def test_rebuilding_while_events_come_in_loses_nothing(fresh_tansu: Any, store: Store, session: Session) -> None:
    settings = stream_settings(fresh_tansu.connection)
    async with working(settings, store) as worker, open_stream(settings) as stream:
        producing = Producing(settings)
        around = Surroundings(stream=stream)
        for table in ("usage_15m", "user_daily", "latency_daily"):
            await _more_in(session, table)
            await session.command(
                f"ALTER TABLE {table} DELETE WHERE bucket >= '2026-11-01' SETTINGS mutations_sync = 2"
            )
            report = await verify(session, Days(), around=around)
            assert report.settled
            assert {it.table for it in report.differences} == {table}
            assert {it.day.month for it in report.differences} == {11}
            done = await rebuild(session, NOVEMBER, stream=stream)
            assert done.paused_seconds > 0
            # Events still arrive, so compare at a time without inserts.
            assert (await verify(session, Days(), around=around)).clean
        await producing.stop()
        await until(worker.ingest.caught_up)
        await _closed(session, stream)
        for table in ("usage_events", "usage_15m", "usage_hourly", "usage_daily", "user_daily"):
            total = await value(session, f"SELECT sum(requests) FROM {table} WHERE org_id = 'live'")
            assert total == producing.sent
        report = await verify(session, Days(), around=around)
    assert report.clean
    assert report.open_chunks == []


async def _more_in(session: Session, table: str) -> None:
    """Wait until November of a rollup has grown by a hundred calls."""
    sql = f"SELECT sum(latency_requests) FROM {table} WHERE bucket >= '2026-11-01'"
    before = await value(session, sql)
    for _ in range(600):
        if await value(session, sql) > before + 100:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nothing is stored")


async def _closed(session: Session, stream: Any) -> None:
    for _ in range(300):
        if not (
            await verify(session, Days(date(2020, 1, 1), date(2020, 1, 1)), around=Surroundings(stream=stream))
        ).open_chunks:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("a chunk stays open")


async def test_the_leader_exports_the_drift_of_closed_days_and_reconciles_suspects(
    fresh_tansu: Any, store: Store, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    yesterday = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    await asyncio.to_thread(insert_usage, store, [usage_row(77_001, yesterday, org_id="drift")])
    days = [yesterday.date()]
    assert await check_drift(session, days=days) == 0
    await session.command("ALTER TABLE usage_hourly DELETE WHERE org_id = 'drift' SETTINGS mutations_sync = 2")
    monkeypatch.setattr(worker_module, "_DRIFT_SECONDS", 0.5)
    monkeypatch.setattr(worker_module, "_RECONCILE_SECONDS", 0.5)
    async with working(stream_settings(fresh_tansu.connection), store):
        await until(lambda: metric("spendmeter_rollup_drift") == 1)
        # As the owner of a chunk does after a kill of the store: the leader compares the days and repairs the rollup.
        rebuilt = metric("spendmeter_rollup_months_rebuilt_total")
        await flag_suspect(session, "life:0:0-1", days=days)
        await until(lambda: metric("spendmeter_rollup_drift") == 0)
        await until(lambda: metric("spendmeter_suspect_blocks") == 0)
        assert metric("spendmeter_rollup_months_rebuilt_total") == rebuilt + 1


async def test_a_repricing_and_a_rebuild_keep_out_of_each_others_way(
    fresh_tansu: Any, store: Store, session: Session
) -> None:
    settings = stream_settings(fresh_tansu.connection, topic_id="quiet")
    await asyncio.to_thread(insert_usage, store, [usage_row(78_001, datetime(2026, 11, 3, tzinfo=UTC))])
    hour = datetime(2026, 11, 3, tzinfo=UTC)
    block = RepricingBlock(uuid4(), 0, hour, hour)
    async with working(settings, store), open_stream(settings) as stream:
        await session.command(
            "INSERT INTO reprice_runs (run_id, state, deadline) SELECT {run:UUID}, 'leased', now64(3) + 60",
            {"run": str(block.run_id)},
        )
        with pytest.raises(BarrierError, match="repricing appends"):
            await rebuild(session, NOVEMBER, stream=stream)
        await session.command(
            "INSERT INTO reprice_runs (run_id, state, deadline) SELECT {run:UUID}, 'released', now64(3)",
            {"run": str(block.run_id)},
        )
        await begin_block(session, block)
        with pytest.raises(RebuildError, match="repricing was interrupted"):
            await rebuild(session, NOVEMBER, stream=stream)
        await end_block(session, block)
        await rebuild(session, NOVEMBER, stream=stream)
