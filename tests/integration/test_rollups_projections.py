"""Each question is answered from the projection made for it, and the projections say what their rows say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_rollups.dimensions import (
    COLUMNS,
    DIMENSIONS,
    LATENCY_BIN,
    POINT_MEASURES,
    ROW_MEASURES,
    TOTAL_MEASURES,
)
from spendmeter_rollups.planner import Piece, plan
from spendmeter_rollups.queries.sums import Sums, sums
from spendmeter_rollups.windows import Window
from tests.support.usage import insert_usage, merge_rollups
from tests.support.usage_oracle import random_rows

BEGIN = datetime(2026, 10, 24, tzinfo=UTC)
WINDOW = Window(BEGIN, BEGIN + timedelta(days=30))
"""Of six times five days, counted from 1970."""
HOURS = tuple(BEGIN + timedelta(hours=number) for number in range(30 * 24))
QUARTERS = tuple(hour + timedelta(minutes=45) for hour in HOURS)

QUESTIONS = {
    "days": ((), POINT_MEASURES, HOURS[::24], "by_org"),
    "orgs": (("org_id",), ROW_MEASURES, (), "by_org"),
    "whose key": (("key_source",), ROW_MEASURES, (), "by_org"),
    "hours": ((), POINT_MEASURES, HOURS, "by_org"),
    "hours of Nepal": ((), POINT_MEASURES, QUARTERS, "by_org"),
    "models, in full": (DIMENSIONS["model"].columns, TOTAL_MEASURES, (), "by_model"),
    **{name: ((name,), ROW_MEASURES, (), "by_model") for name in ("role", "feature", "service", "error_type")},
    **{name: ((name,), ROW_MEASURES, (), "by_task") for name in ("agent_id", "task_id", "configuration_id")},
    "users": (DIMENSIONS["user"].columns, ROW_MEASURES, (), "by_user"),
    "classes": (DIMENSIONS["class"].columns, ROW_MEASURES, (), "by_user"),
    "latencies": ((LATENCY_BIN,), ("latency_requests",), (), "by_model"),
}


@pytest.fixture(scope="module")
def merged(store: Store) -> Iterator[Session]:
    rows = random_rows(1200, seed=5)
    for row in rows:
        row["occurred_at"] = BEGIN + (row["occurred_at"] - BEGIN) % timedelta(days=30)
    for first in range(0, 1200, 300):
        insert_usage(store, rows[first : first + 300])
        if first % 600:
            merge_rollups(store)
    merge_rollups(store)
    with store.session("projections") as session:
        yield session


def read(session: Session, what: Sums, pieces: Sequence[Piece], **settings: Any) -> list[tuple[Any, ...]]:
    query = sums(what, pieces)
    answer = asyncio.run(session.query(query.sql, query.parameters, settings=settings))
    return sorted(tuple(row) for row in answer.result_rows)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_reads_its_projection_and_gets_what_raw_events_say(merged: Session, question: str) -> None:
    columns, measures, edges, projection = QUESTIONS[question]
    what = Sums(columns, measures, {}, edges)
    pieces = plan(WINDOW, columns=what.touched, measures=measures, edges=edges)
    assert len(pieces) == 1
    # Refused by the store where the projection is not the one that is read.
    found = read(merged, what, pieces, force_optimize_projection_name=projection)
    raw = read(merged, what, (Piece(None, (WINDOW,)),))
    if columns == (LATENCY_BIN,):
        raw = [row for row in raw if row[1]]
    assert found == raw
    assert found


@pytest.mark.parametrize("column", sorted(COLUMNS))
def test_an_answer_does_not_depend_on_projections(merged: Session, column: str) -> None:
    what = Sums((column,), ROW_MEASURES, {"org_id": ("acme", "beta")})
    pieces = plan(WINDOW, columns=what.touched, measures=ROW_MEASURES)
    assert read(merged, what, pieces) == read(merged, what, pieces, optimize_use_projections=0)
