"""Guards of chunks that no ordinary successor completes: without a guard, its fault causes a difference."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka.structs import TopicPartition

from spendmeter_events.topics import USAGE
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.jars import KafkaUnavailable, kafka_jars
from tests.support.required import do_without
from tests.torture.faults.offsets import expire_records, move_group, tokens_forgotten
from tests.torture.patience import eventually
from tests.torture.stage import LARGE, SMALL, SURPLUS, Play, Stage
from tests.torture.workers import faketime_library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def stage(clickhouse_http: ClickHouseHttp, tmp_path: Path) -> Stage:
    return Stage(store=clickhouse_http, folder=tmp_path)


@pytest.fixture
def kafka_stage(clickhouse_http: ClickHouseHttp, tmp_path: Path) -> Stage:
    try:
        kafka_jars()
    except KafkaUnavailable as missing:
        do_without(missing)
    return Stage(store=clickhouse_http, folder=tmp_path, broker=ApacheKafka)


async def test_a_half_stored_chunk_of_a_former_topic_epoch_needs_the_orphan_check(stage: Stage) -> None:
    async def new_life(it: Play) -> None:
        running, feeder = it.running, it.running.feeder
        await feeder.feed(LARGE)
        first = it.worker(records=LARGE)
        async with it.half_landed():
            first.start()
            await it.until_raw_has(LARGE)
            first.kill()
        it.broker.kill()
        await asyncio.to_thread(it.broker.start)
        await running.make_topics()
        await feeder.refresh()
        feeder.new_life()
        async with feeder.quiet:
            await feeder.send_again()
        it.worker(records=LARGE).start()

    await stage.proves("orphans", scenario=new_life)


@pytest.mark.kafka
async def test_a_quiet_partition_that_is_moved_back_needs_the_token_age_check(kafka_stage: Stage) -> None:
    async def moved_back(it: Play) -> None:
        await it.running.feeder.feed(SMALL)
        first = it.worker(records=SMALL)
        first.start()
        await it.running.settled()
        await asyncio.to_thread(first.stop)
        async with tokens_forgotten(it.running.session):
            await move_group(it.running, {TopicPartition(USAGE, 0): 0})
            it.worker(records=SMALL).start()
            await it.running.settled()

    await kafka_stage.proves("token_age", scenario=moved_back)


@pytest.mark.kafka
async def test_records_that_expire_before_their_chunk_is_recovered_need_its_rows_read_back(kafka_stage: Stage) -> None:
    async def expired(it: Play) -> None:
        await it.running.feeder.feed(LARGE)
        first = it.worker(records=LARGE)
        async with it.half_landed():
            first.start()
            await it.until_raw_has(LARGE)
            first.kill()
        await expire_records(it.running)
        it.worker(records=LARGE).start()

    await kafka_stage.proves("expired", scenario=expired)


async def test_a_clock_that_jumps_before_a_recovery_needs_the_time_of_the_first_decision(stage: Stage) -> None:
    if faketime_library() is None:
        do_without("libfaketime is not installed (Debian package libfaketime)")

    async def jump(it: Play) -> None:
        # By the first worker's clock, these are too far in the future.
        it.running.ledger.ahead_counts = False
        first = it.worker(records=LARGE)
        first.order("after:insert", hits=1, action="KILL")
        await it.running.feeder.feed(SMALL)
        await it.running.feeder.feed_ahead(SMALL)
        first.start()
        await eventually("the first worker died", lambda: first.obeyed() and not first.running())
        second = it.worker(records=LARGE)
        second.set_clock(2 * 3600)
        second.start()

    await stage.proves("decision", scenario=jump)


async def test_a_second_group_on_the_same_store_needs_to_be_refused(stage: Stage) -> None:
    async def second_group(it: Play) -> None:
        frozen = it.worker(records=SMALL, patience=30.0)
        frozen.order("before:insert", hits=1, action="STOP")
        await it.running.feeder.feed(SMALL)
        frozen.start()
        await eventually("the first worker froze", frozen.obeyed)
        await it.running.feeder.feed(LARGE)
        other = it.worker(records=LARGE, group="another-group")
        other.start()
        if "group" in it.without:
            await it.until_raw_has(SMALL + LARGE)
        else:
            await eventually("the other worker ended", lambda: not other.running())
            assert other.ended() != 0
        frozen.thaw()

    await stage.proves("group", scenario=second_group)


async def test_a_foreign_partitioner_needs_the_check_for_copies(stage: Stage) -> None:
    async def two_hashes(it: Play) -> None:
        it.worker(records=LARGE).start()
        # So that the partitions have different owners, with separate filters.
        await it.running.feeder.feed(LARGE)
        await it.running.settled()
        await it.running.feeder.feed_twice(LARGE, width=2)

    await stage.proves(SURPLUS, scenario=two_hashes, partitions=2)
