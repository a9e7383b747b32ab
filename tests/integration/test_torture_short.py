"""A short run of the fault harness by seed: not an event, a token or a pico-dollar too many or too few."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.support.brokers import do_without
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.jars import KafkaUnavailable
from tests.support.kafka.tansu import Tansu
from tests.torture.ledger import Ledger
from tests.torture.plan import KINDS, POINTS, plan
from tests.torture.run import FAULTS_A_ROUND, Report, torture

_TANSU_SEED = 22
"""One whose first round kills a worker and the store, and brings strangers into the group."""
_KAFKA_SEED = 12
"""One whose first round kills the broker, and the store between a token and its part."""


async def one_round(seed: int, broker: Tansu | ApacheKafka, folder: Path) -> Report:
    """Broker and store live for this run alone."""
    for name in ("store", "workers"):
        (folder / name).mkdir()
    store = ClickHouseHttp(folder=folder / "store")
    broker.start()
    try:
        store.start()
        return await torture(
            seed=seed, folder=folder / "workers", broker=broker, store=store, go_on=lambda rounds: rounds < 1
        )
    finally:
        store.kill()
        broker.kill()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_faults_change_no_sum(tmp_path: Path) -> None:
    report = await one_round(_TANSU_SEED, Tansu(folder=tmp_path), tmp_path)
    assert not report.differences, report.table()
    assert report.faults.total() >= FAULTS_A_ROUND
    assert report.faults["store kill -9"] == report.faults["rebalance storm"] == 1
    assert report.counts["events"] > 0
    assert report.counts["client retries"] > 0


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(900)
async def test_faults_change_no_sum_on_apache_kafka_which_is_killed_too(tmp_path: Path) -> None:
    try:
        broker = ApacheKafka(folder=tmp_path)
    except KafkaUnavailable as missing:
        do_without(missing)
    report = await one_round(_KAFKA_SEED, broker, tmp_path)
    assert not report.differences, report.table()
    assert report.faults["broker kill -9"] == report.faults["store killed at a rename"] == 1


def test_a_ledger_is_the_same_for_the_same_seed() -> None:
    one, other = Ledger(seed=7), Ledger(seed=7)
    assert [one.batch(50) for _ in range(5)] == [other.batch(50) for _ in range(5)]
    assert one.hours() == other.hours()
    assert one.retries > 0


def test_a_ledger_counts_an_event_once_however_often_it_is_sent() -> None:
    ledger = Ledger(seed=1, retry_share=1.0, bad_share=0.0)
    sent = [record for _ in range(20) for record in ledger.batch(30)]
    assert len({record.key for record in sent}) == ledger.events == 600
    assert len(sent) == 600 + ledger.retries
    assert sum(measures.ids for measures in ledger.hours().values()) == 600
    assert {start.month for _, start in ledger.days()} >= {10, 11}


def test_a_plan_comes_to_every_kind_and_every_point() -> None:
    faults = list(islice(plan(seed=3, workers=3), 120))
    assert {fault.kind for fault in faults} == set(KINDS)
    assert {fault.point for fault in faults} - {""} == set(POINTS)
    assert faults == list(islice(plan(seed=3, workers=3), 120))
