"""The fault harness can fail: without any one step of the protocol, the oracle finds a difference.

In each scenario, exactly this step prevents a wrong sum. The scenario also runs with every step, where the same fault
must cause no difference; otherwise a difference would prove nothing. The runs of one scenario are concurrent, each with
a separate broker and database, because they mostly wait for sessions.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.torture.patience import eventually
from tests.torture.stage import LARGE, SMALL, Play, Scenario, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def stage(clickhouse_http: ClickHouseHttp, tmp_path: Path) -> Stage:
    return Stage(store=clickhouse_http, folder=tmp_path)


def zombie(at: str) -> Scenario:
    """Freeze a worker at `at`; another one takes over its partition and completes the chunk; then the first resumes."""

    async def play(it: Play) -> None:
        running = it.running
        # With time to complete its chunk when stopped.
        frozen = it.worker(records=SMALL, patience=30.0)
        frozen.order(at, hits=1, action="STOP")
        await running.feeder.feed(SMALL)
        frozen.start()
        await eventually("the first worker froze", frozen.obeyed)
        # More records, so that a next owner that can choose the range chooses a different one.
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
    """The intent has the end of the block. The token is needed because the rows of the zombie and of the replay
    differ in `ingested_at`, and so in ClickHouse's checksum."""
    # A zombie that was frozen for a minute passes the fence again, and on a busy machine it is frozen that long.
    await stage.proves("intent", "token", scenario=zombie("before:insert"), disabled=["refence"])


async def test_an_insert_that_reached_raw_but_not_every_rollup_needs_deduplication_in_views(stage: Stage) -> None:
    async def half_landed(it: Play) -> None:
        await it.running.feeder.feed(LARGE)
        async with it.half_landed():
            it.worker(records=LARGE).start()
            await it.until_raw_has(LARGE)

    await stage.proves("view_dedup", scenario=half_landed)
