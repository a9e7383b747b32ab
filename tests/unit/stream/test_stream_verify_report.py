"""Days are split into statements, and answers are converted to differences."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from spendmeter_stream.journal.open_chunks import BegunChunk, still_open
from spendmeter_stream.verify import DayResult, Difference, Duplicate, Report, closed_days
from spendmeter_stream.verify.compare import batches
from spendmeter_stream.verify.measures import PLACEMENT, ROLLUPS, SUMS, weight
from spendmeter_stream.verify.queries import compare_days
from spendmeter_stream.verify.report import day_results

DAY = date(2026, 10, 1)
GOLDEN = Path(__file__).parent / "golden" / "verify_compare_days.sql"
MEASURES = {rollup.table: rollup.measures for rollup in ROLLUPS}


def texts(table: str, **changes: str) -> list[str]:
    return [changes.get(measure, "1") for measure in MEASURES[table]]


def report(**changes: object) -> Report:
    fields: dict[str, object] = {
        "first": DAY,
        "last": DAY,
        "days": 1,
        "events": 10,
        "results": [],
        "duplicate_ids": 0,
        "duplicates": [],
        "open_chunks": [],
        "offsets_known": True,
        "dead_letters": None,
        "settled": True,
    }
    return Report(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_comparison_is_the_statement_that_was_reviewed() -> None:
    assert compare_days().strip() == GOLDEN.read_text().strip()


def test_a_difference_names_day_org_table_and_measure() -> None:
    table = "usage_hourly"
    rows = [(DAY, table, "acme", texts(table, cost="1.5"), texts(table), 1)]
    (result,) = day_results(rows)
    assert result.differences == [Difference(DAY, "acme", table, "cost", "1.5", "1")]


def test_an_org_that_one_side_does_not_know_differs_in_all_that_is_not_zero() -> None:
    table = "latency_daily"
    (result,) = day_results([(DAY, table, "acme", ["4", "0"], [], 1)])
    assert result.differences == [Difference(DAY, "acme", table, "latency_requests", "4", None)]


def test_days_keep_their_own_counts() -> None:
    table = "latency_daily"
    later = DAY + timedelta(days=1)
    rows = [(DAY, table, "a", ["1", "1"], ["2", "1"], 7), (later, table, "b", ["1", "1"], ["2", "1"], 9)]
    assert [(result.day, result.differing) for result in day_results(rows)] == [(DAY, 7), (later, 9)]


@given(st.lists(st.integers(0, 3_000_000), max_size=200), st.integers(1, 3_000_000))
def test_every_day_is_compared_once_and_no_statement_is_large(counts: list[int], at_once: int) -> None:
    days = {DAY + timedelta(days=index): count for index, count in enumerate(counts)}
    cut = list(batches(days, events_at_once=at_once))
    assert [day for batch in cut for day in batch] == list(days)
    for batch in cut:
        assert len(batch) == 1 or sum(days[day] for day in batch) <= at_once
        assert len(batch) <= 31


def test_no_two_measures_weigh_the_same() -> None:
    factors = [term.split(" * ")[0] for term in weight({measure: measure for measure in SUMS}).split("+")]
    odd = {int(factor) for factor in factors}
    assert len(odd) == len(SUMS)
    assert all(factor % 2 == 1 and factor < 2**64 for factor in odd)


def test_every_rollup_ends_with_the_placement() -> None:
    assert all(measures[-1] == PLACEMENT for measures in MEASURES.values())


def test_clean_means_no_difference_and_no_duplicate() -> None:
    duplicate = Duplicate(DAY, "acme", UUID(int=1), 2)
    assert report().clean
    assert not report(results=[DayResult(DAY, 1)]).clean
    assert not report(duplicate_ids=1, duplicates=[duplicate]).clean
    assert report(open_chunks=[BegunChunk("life", 0, 1, 2, 3, datetime.now(UTC))]).clean


def test_a_report_is_plain_json() -> None:
    duplicate = Duplicate(DAY, "acme", UUID(int=1), 2)
    result = DayResult(DAY, 1, [Difference(DAY, "acme", "usage_15m", "cost", "1", "2")])
    plain = json.loads(json.dumps(report(results=[result], duplicates=[duplicate]).as_json(), default=str))
    assert plain["differences"] == [
        {"day": "2026-10-01", "org": "acme", "table": "usage_15m", "measure": "cost", "raw": "1", "rollup": "2"}
    ]
    assert plain["duplicates"][0]["event_id"] == str(UUID(int=1))


def test_closed_days_end_yesterday_in_utc() -> None:
    now = datetime.fromisoformat("2026-11-02T01:30:00+05:30")
    assert closed_days(now, count=3) == [date(2026, 10, 29), date(2026, 10, 30), date(2026, 10, 31)]


def test_a_chunk_is_open_until_its_end_is_committed() -> None:
    chunks = [BegunChunk("life", partition, 10, 20, 1, datetime.now(UTC)) for partition in range(4)]
    open_ = still_open(chunks, {0: 10, 1: 19, 2: 20})
    assert [chunk.partition for chunk in open_] == [0, 1, 3]
