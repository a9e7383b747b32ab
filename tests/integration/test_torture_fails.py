"""The fault harness can fail: leave out any one step of the protocol, and the oracle finds a difference.

Each scenario is made so that exactly this step stands between the fault and a wrong sum. It also runs with every
step in place, where the same fault must do no harm; otherwise the difference would prove nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.tansu import Tansu
from tests.torture.cluster import Cluster, cluster, eventually
from tests.torture.ledger import Ledger
from tests.torture.oracle import differences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SMALL, LARGE = 10, 40
"""Limits of chunks: a worker that takes over cuts its chunks elsewhere than the one before."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tansu]:
    """Restarted by each test, which takes milliseconds, so that each has a topic of its own."""
    made = Tansu(folder=tmp_path_factory.mktemp("torture"))
    yield made
    made.kill()


@asynccontextmanager
async def one_partition(
    broker: Tansu, store: ClickHouseHttp, folder: Path, *, retry_share: float = 0.0
) -> AsyncIterator[Cluster]:
    broker.kill()
    broker.start()
    ledger = Ledger(seed=1, retry_share=retry_share, bad_share=0.0)
    dsn = store.dsn_of(folder.name.replace("-", "_"))
    async with cluster(folder=folder, dsn=dsn, connection=broker.connection, partitions=1, ledger=ledger) as made:
        yield made


async def outcome(running: Cluster) -> list[str]:
    """What the oracle says when everything is committed and every worker has gone."""
    await running.settled()
    await running.stop_workers()
    return await differences(running.session, running.ledger)


async def zombie(running: Cluster, *, at: str, without: list[str]) -> list[str]:
    """One worker freezes at `at`; another takes its partition over and finishes all; then the first goes on."""
    # With time to finish what it has begun when it is told to stop.
    frozen = running.worker(chunk_records=SMALL, stop_timeout_seconds=30.0, without=without)
    frozen.order(at, hits=1, action="STOP")
    await running.feeder.feed(SMALL)
    frozen.start()
    await eventually("the first worker froze", frozen.obeyed)
    # More to read, so that an heir who may cut anew does cut elsewhere.
    await running.feeder.feed(LARGE)
    heir = running.worker(chunk_records=LARGE, without=without)
    heir.start()
    await running.settled()
    frozen.thaw()
    return await outcome(running)


def proves(step: str) -> pytest.MarkDecorator:
    """With every step there is no difference; without `step` there is one."""
    return pytest.mark.parametrize("without", [[], [step]], ids=["with every step", f"without {step}"])


@proves("dedup")
async def test_a_clients_second_copy_needs_dedup(
    broker: Tansu, clickhouse_http: ClickHouseHttp, tmp_path: Path, without: list[str]
) -> None:
    async with one_partition(broker, clickhouse_http, tmp_path, retry_share=0.5) as running:
        running.worker(chunk_records=SMALL, without=without).start()
        for _ in range(6):
            await running.feeder.feed(LARGE)
        found = await outcome(running)
    assert bool(found) == bool(without), found


@proves("intent")
async def test_a_takeover_needs_the_intent_to_know_where_the_block_ends(
    broker: Tansu, clickhouse_http: ClickHouseHttp, tmp_path: Path, without: list[str]
) -> None:
    async with one_partition(broker, clickhouse_http, tmp_path) as running:
        found = await zombie(running, at="before:insert", without=without)
    assert bool(found) == bool(without), found


@proves("fence")
async def test_a_zombie_that_has_not_begun_needs_the_fence(
    broker: Tansu, clickhouse_http: ClickHouseHttp, tmp_path: Path, without: list[str]
) -> None:
    async with one_partition(broker, clickhouse_http, tmp_path) as running:
        found = await zombie(running, at="before:intent", without=without)
    assert bool(found) == bool(without), found


@proves("token")
async def test_a_zombie_whose_chunk_was_replayed_needs_the_token(
    broker: Tansu, clickhouse_http: ClickHouseHttp, tmp_path: Path, without: list[str]
) -> None:
    # The zombie's rows and the replay's differ in `ingested_at`, so ClickHouse's own checksum does not know them.
    async with one_partition(broker, clickhouse_http, tmp_path) as running:
        found = await zombie(running, at="before:insert", without=without)
    assert bool(found) == bool(without), found


@proves("view_dedup")
async def test_an_insert_that_reached_raw_but_not_every_rollup_needs_deduplication_in_views(
    broker: Tansu, clickhouse_http: ClickHouseHttp, tmp_path: Path, without: list[str]
) -> None:
    async with one_partition(broker, clickhouse_http, tmp_path) as running:
        await running.session.command("ALTER TABLE usage_hourly ADD CONSTRAINT broken CHECK requests = 0")
        await running.feeder.feed(LARGE)
        running.worker(without=without).start()
        await until_raw_has(running, LARGE)
        await running.session.command("ALTER TABLE usage_hourly DROP CONSTRAINT broken")
        found = await outcome(running)
    assert bool(found) == bool(without), found


async def until_raw_has(running: Cluster, rows: int) -> None:
    """Return when raw events have `rows` rows."""
    for _ in range(1200):
        answer = await running.session.query("SELECT count() FROM usage_events")
        if answer.result_rows[0][0] >= rows:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("no event landed")
