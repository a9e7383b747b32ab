"""Short runs of the fault harness by seed: every event, token and pico-dollar is counted exactly once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from spendmeter_stream.barrier.requests import _REQUEST, shadow_of
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.jars import KafkaUnavailable
from tests.support.kafka.tansu import Tansu
from tests.support.required import do_without
from tests.torture.embedded import torture_embedded
from tests.torture.faults.commands import REBUILD_STATEMENTS
from tests.torture.ledger import Ledger
from tests.torture.plan import KINDS, POINTS, Kind, plan
from tests.torture.report import Report
from tests.torture.run import torture

_ON_TANSU: Final[dict[int, tuple[Kind, ...]]] = {
    22: ("kill", "store_kill", "half_landed", "rebalance_storm"),
    23: ("zombie", "store_fault", "broker_freeze"),
    24: ("clock_jump", "topic_reborn", "reprice_crash", "rebuild_crash"),
}
"""Seed → the faults of its single round. Rounds are short, so that they can run in parallel."""
_ON_KAFKA: Final[dict[int, tuple[Kind, ...]]] = {
    12: ("store_torn", "broker_kill"),
    13: ("second_group", "foreign_partitioner", "group_moved_back", "records_expired", "widening"),
}


async def one_round(seed: int, kinds: Sequence[Kind], broker: Tansu | ApacheKafka, folder: Path) -> Report:
    """Run one round with a separate broker and store."""
    for name in ("store", "workers"):
        (folder / name).mkdir()
    store = ClickHouseHttp(folder=folder / "store")
    broker.start()
    try:
        store.start()
        report = await torture(
            seed=seed,
            folder=folder / "workers",
            broker=broker,
            store=store,
            go_on=lambda rounds: rounds < 1,
            kinds=kinds,
            faults_a_round=len(kinds),
        )
    finally:
        store.kill()
        broker.kill()
    assert not report.differences, report.table()
    assert report.faults.total() >= len(kinds)
    return report


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", _ON_TANSU)
async def test_faults_change_no_sum(tmp_path: Path, seed: int) -> None:
    report = await one_round(seed, _ON_TANSU[seed], Tansu(folder=tmp_path), tmp_path)
    assert report.counts["events"] > 0
    assert report.counts["client retries"] > 0


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", _ON_KAFKA)
async def test_faults_change_no_sum_on_apache_kafka(tmp_path: Path, seed: int) -> None:
    try:
        broker = ApacheKafka(folder=tmp_path)
    except KafkaUnavailable as missing:
        do_without(missing)
    await one_round(seed, _ON_KAFKA[seed], broker, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_kill_9_of_the_embedded_stack_changes_no_sum(tmp_path: Path) -> None:
    report = await torture_embedded(seed=9, folder=tmp_path / "stack", go_on=lambda rounds: rounds < 1, kills=1)
    assert not report.differences, report.table()
    assert report.faults == {"kill -9 of the embedded stack at a rename": 1}


def test_the_short_runs_come_to_every_kind() -> None:
    assert sorted(kind for runs in (_ON_TANSU, _ON_KAFKA) for kinds in runs.values() for kind in kinds) == sorted(KINDS)


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


def test_a_fault_without_effect_is_no_row_of_the_table() -> None:
    report = Report(
        faults=Counter({"kill before:fence": 2, "rebuild, not reached": 1, "clock jump, no libfaketime": 1})
    )
    assert report.markdown("seed 1, kafka") == "| kill before:fence | seed 1, kafka | 2 | 0 |"


def test_a_rebuild_is_killed_at_the_statements_that_it_sends() -> None:
    table = shadow_of("usage_daily", uuid4())
    sent = (
        f"INSERT INTO {table} (a) SELECT 1",
        _REQUEST,
        f"ALTER TABLE usage_daily REPLACE PARTITION 202510 FROM {table}",
    )
    for statement, pattern in zip(sent, REBUILD_STATEMENTS.values(), strict=True):
        assert re.search(pattern, statement)
