"""Run one fault with every step of the protocol, and without one of them, concurrently.

Each run has a separate broker and database, because runs mostly wait for sessions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.tansu import Tansu
from tests.torture.cluster import Cluster, cluster
from tests.torture.ledger import Ledger
from tests.torture.oracle import differences
from tests.torture.workers import Worker

SMALL, LARGE = 10, 40
"""Limits of chunks: the next owner forms different chunks than the previous one."""
# Tansu delays every join by the whole rebalance time-out, and keeps a frozen worker's partitions for its session.
QUICK: Final = {"session_timeout_ms": 3000, "rebalance_timeout_ms": 1000}
SURPLUS: Final = "surplus"
"""Not a step of a worker: the leader's daily removal of copies, which the scenario runs."""


@dataclass(frozen=True)
class Play:
    """One cluster, and the steps that its workers omit."""

    running: Cluster
    broker: Tansu | ApacheKafka
    without: list[str]

    def worker(self, *, records: int, patience: float = 2.0, group: str = "") -> Worker:
        """Return another worker, not yet started."""
        return self.running.worker(
            chunk_records=records,
            stop_timeout_seconds=patience,
            without=[step for step in self.without if step != SURPLUS],
            group=group or self.running.settings.group,
            **QUICK,
        )

    async def until_raw_has(self, rows: int) -> None:
        """Wait until raw events have `rows` rows."""
        for _ in range(6000):
            answer = await self.running.session.query("SELECT count() FROM usage_events")
            if answer.result_rows[0][0] >= rows:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("no event landed")

    @asynccontextmanager
    async def half_landed(self) -> AsyncIterator[None]:
        """Let `usage_hourly` reject rows until the end of the context."""
        await self.running.session.command("ALTER TABLE usage_hourly ADD CONSTRAINT broken CHECK requests = 0")
        yield
        await self.running.session.command("ALTER TABLE usage_hourly DROP CONSTRAINT broken")


Scenario = Callable[[Play], Awaitable[None]]


class Stage:
    """Where runs take place: one store, one folder, a kind of broker."""

    def __init__(self, *, store: ClickHouseHttp, folder: Path, broker: type[Tansu | ApacheKafka] = Tansu) -> None:
        self._store = store
        self._folder = folder
        self._broker = broker

    async def proves(
        self,
        *steps: str,
        scenario: Scenario,
        retry_share: float = 0.0,
        partitions: int = 1,
        disabled: Sequence[str] = (),
    ) -> None:
        """Assert no difference with every step, and one without any of `steps`.

        The daily removal of copies would repair what other steps prevent, so it runs only if it is the step.

        :param disabled: steps that no run has, because they would also prevent the difference.
        """
        never = [*disabled, *([] if SURPLUS in steps else [SURPLUS])]
        plays: list[list[str]] = [never, *([step, *never] for step in steps)]
        whole, *lacking = await asyncio.gather(
            *(self._play(scenario, without, retry_share, partitions) for without in plays)
        )
        assert whole == []
        assert all(lacking), dict(zip(steps, lacking, strict=True))

    async def _play(self, scenario: Scenario, without: list[str], retry_share: float, partitions: int) -> list[str]:
        async with self._cluster("_".join(["without", *without]), without, retry_share, partitions) as play:
            await scenario(play)
            await play.running.settled()
            if SURPLUS not in without:
                await play.running.without_surplus()
            await play.running.stop_workers()
            return await differences(play.running.session, play.running.ledger)

    @asynccontextmanager
    async def _cluster(self, name: str, without: list[str], retry_share: float, partitions: int) -> AsyncIterator[Play]:
        folder = self._folder / name
        folder.mkdir()
        broker = self._broker(folder=folder)
        ledger = Ledger(seed=1, retry_share=retry_share, bad_share=0.0)
        dsn = self._store.dsn_of(f"{self._folder.name}_{name}".replace("-", "_"))
        await asyncio.to_thread(broker.start)
        try:
            async with cluster(
                folder=folder, dsn=dsn, connection=broker.connection, partitions=partitions, ledger=ledger
            ) as running:
                yield Play(running, broker, without)
        finally:
            broker.kill()
