"""Shared parts of the faults: the run, and the steps that several faults begin with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from spendmeter_clickhouse import StoreError
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.process import BrokerProcess
from tests.torture.cluster import Cluster
from tests.torture.patience import PAUSE_S, Progress
from tests.torture.plan import Fault
from tests.torture.workers import Worker

OUTAGE_S: Final = 3.0
PAST_SESSION_S: Final = 8.0
"""Longer than a session and the rebalance after it (`cluster.STREAM`), so that partitions are reassigned."""
_CHUNKS_WITHOUT: Final = 60
"""Chunks after which an order is withdrawn: the worker may own no partition, or may not reach the step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """Inject faults into one cluster."""

    cluster: Cluster
    broker: BrokerProcess
    store: ClickHouseHttp
    complaints: list[str] = field(default_factory=list)
    """Operations that were accepted and should have been rejected."""

    def worker(self, fault: Fault) -> Worker:
        """Return the worker that `fault` selects."""
        return self.cluster.workers[fault.worker]

    async def command(self, sql: str) -> None:
        """Run `sql`, and retry while an insert blocks it."""
        for attempt in range(20):
            try:
                return await self.cluster.session.command(sql)
            except StoreError:
                if attempt == 19:
                    raise
                await asyncio.sleep(0.5)
        return None

    async def count(self, table: str) -> int:
        """Return the number of rows of `table`."""
        ((rows,),) = (await self.cluster.session.query(f"SELECT count() FROM {table}")).result_rows
        return int(rows)

    async def carried_out(self, worker: Worker, fault: Fault, action: str) -> bool:
        """Order `action` at the fault's point. Return False if the worker does not reach it in time."""
        worker.order(fault.point, hits=fault.hits, action=action)
        before = await self.count("ingest_chunks")
        watch = Progress("chunks are stored while an order waits")
        while not worker.obeyed() and worker.running():
            with suppress(StoreError):
                chunks = await self.count("ingest_chunks")
                if chunks > before + _CHUNKS_WITHOUT:
                    break
                watch.see(chunks)
            await asyncio.sleep(PAUSE_S / 3)
        return not worker.withdraw()

    @asynccontextmanager
    async def landing_by_halves(self, rollup: str) -> AsyncIterator[None]:
        """Let `rollup` reject rows until some chunk is in raw events only; it accepts rows again at the end."""
        await self.command(f"ALTER TABLE {rollup} ADD CONSTRAINT torture CHECK requests = 0")
        try:
            before = await self.count("usage_events")
            watch = Progress("a chunk lands in raw events alone")
            while (rows := await self.count("usage_events")) == before:
                watch.see(rows)
                await asyncio.sleep(PAUSE_S / 3)
            yield
        finally:
            await self.command(f"ALTER TABLE {rollup} DROP CONSTRAINT torture")

    def kill_workers(self) -> None:
        """Kill all workers at once with kill -9."""
        for worker in self.cluster.workers:
            worker.kill()

    def start_workers(self) -> None:
        """Start the workers that do not run."""
        for worker in self.cluster.workers:
            worker.start_again()
