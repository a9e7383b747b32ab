"""The fault harness can fail: leave out any one step of the protocol, and the oracle finds a difference.

Each scenario is made so that exactly this step stands between the fault and a wrong sum. It is played with every
step in place as well, where the same fault must do no harm; otherwise the difference would prove nothing. The plays
of one scenario run side by side, each on a broker and a database of its own, because they mostly wait for sessions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.tansu import Tansu
from tests.torture.cluster import Cluster, cluster
from tests.torture.ledger import Ledger
from tests.torture.oracle import differences
from tests.torture.patience import eventually
from tests.torture.workers import Worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SMALL, LARGE = 10, 40
"""Limits of chunks: a worker that takes over cuts its chunks elsewhere than the one before."""
# Tansu holds every join open for the whole rebalance timeout, and a frozen worker's partitions for its session.
QUICK = {"session_timeout_ms": 3000, "rebalance_timeout_ms": 1000}

Scenario = Callable[["Play"], Awaitable[None]]


@dataclass(frozen=True)
class Play:
    """One cluster of one partition, and the steps that its workers leave out."""

    running: Cluster
    without: list[str]

    def worker(self, *, records: int, patience: float = 2.0) -> Worker:
        """A further worker, not yet started."""
        return self.running.worker(chunk_records=records, stop_timeout_seconds=patience, without=self.without, **QUICK)


class Stage:
    """Plays a scenario with every step, and without one or another, side by side."""

    def __init__(self, *, store: ClickHouseHttp, folder: Path) -> None:
        self._store = store
        self._folder = folder

    async def proves(self, *steps: str, scenario: Scenario, retry_share: float = 0.0) -> None:
        """With every step there is no difference; without any one of `steps` there is one."""
        plays = [[], *([step] for step in steps)]
        whole, *lacking = await asyncio.gather(*(self._play(scenario, without, retry_share) for without in plays))
        assert whole == []
        assert all(lacking), dict(zip(steps, lacking, strict=True))

    async def _play(self, scenario: Scenario, without: list[str], retry_share: float) -> list[str]:
        async with self._cluster("_".join(["without", *without]), retry_share) as running:
            await scenario(Play(running, without))
            await running.settled()
            await running.stop_workers()
            return await differences(running.session, running.ledger)

    @asynccontextmanager
    async def _cluster(self, name: str, retry_share: float) -> AsyncIterator[Cluster]:
        folder = self._folder / name
        folder.mkdir()
        broker = Tansu(folder=folder)
        ledger = Ledger(seed=1, retry_share=retry_share, bad_share=0.0)
        dsn = self._store.dsn_of(f"{self._folder.name}_{name}".replace("-", "_"))
        await asyncio.to_thread(broker.start)
        try:
            async with cluster(
                folder=folder, dsn=dsn, connection=broker.connection, partitions=1, ledger=ledger
            ) as running:
                yield running
        finally:
            broker.kill()


@pytest.fixture
def stage(clickhouse_http: ClickHouseHttp, tmp_path: Path) -> Stage:
    return Stage(store=clickhouse_http, folder=tmp_path)


def zombie(at: str) -> Scenario:
    """One worker freezes at `at`; another takes its partition over and finishes all; then the first goes on."""

    async def play(it: Play) -> None:
        running = it.running
        # With time to finish what it has begun when it is told to stop.
        frozen = it.worker(records=SMALL, patience=30.0)
        frozen.order(at, hits=1, action="STOP")
        await running.feeder.feed(SMALL)
        frozen.start()
        await eventually("the first worker froze", frozen.obeyed)
        # More to read, so that an heir who may cut anew does cut elsewhere.
        await running.feeder.feed(LARGE)
        it.worker(records=LARGE).start()
        await running.settled()
        frozen.thaw()

    return play


async def test_a_clients_second_copy_needs_dedup(stage: Stage) -> None:
    async def second_copies(it: Play) -> None:
        it.worker(records=SMALL).start()
        for _ in range(3):
            await it.running.feeder.feed(LARGE)

    await stage.proves("dedup", scenario=second_copies, retry_share=0.5)


async def test_a_zombie_that_has_not_begun_needs_the_fence(stage: Stage) -> None:
    await stage.proves("fence", scenario=zombie("before:intent"))


async def test_a_zombie_whose_chunk_was_taken_over_needs_the_intent_and_the_token(stage: Stage) -> None:
    """The intent, to know where the block ends. The token, because the zombie's rows and the replay's differ in
    `ingested_at`, so that ClickHouse's own checksum does not know them."""
    await stage.proves("intent", "token", scenario=zombie("before:insert"))


async def test_an_insert_that_reached_raw_but_not_every_rollup_needs_deduplication_in_views(stage: Stage) -> None:
    async def half_landed(it: Play) -> None:
        await it.running.session.command("ALTER TABLE usage_hourly ADD CONSTRAINT broken CHECK requests = 0")
        await it.running.feeder.feed(LARGE)
        it.worker(records=LARGE).start()
        await until_raw_has(it.running, LARGE)
        await it.running.session.command("ALTER TABLE usage_hourly DROP CONSTRAINT broken")

    await stage.proves("view_dedup", scenario=half_landed)


async def until_raw_has(running: Cluster, rows: int) -> None:
    """Return when raw events have `rows` rows."""
    for _ in range(1200):
        answer = await running.session.query("SELECT count() FROM usage_events")
        if answer.result_rows[0][0] >= rows:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("no event landed")
