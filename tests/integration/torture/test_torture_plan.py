"""The fault harness itself: its ledger, its plan of faults and its report."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from uuid import uuid4

from spendmeter_stream.barrier.requests import _REQUEST, shadow_of
from tests.torture.faults.commands import REBUILD_STATEMENTS
from tests.torture.ledger import Ledger
from tests.torture.plan import KINDS, POINTS, plan
from tests.torture.report import Report
from tests.torture.short import ON_KAFKA, ON_TANSU


def test_the_short_runs_come_to_every_kind() -> None:
    assert sorted(kind for runs in (ON_TANSU, ON_KAFKA) for kinds in runs.values() for kind in kinds) == sorted(KINDS)


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
