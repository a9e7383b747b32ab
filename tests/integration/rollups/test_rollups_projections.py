"""Each query reads the projection intended for it, and projections equal the sums of their rows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks.query_events import block
from spendmeter_clickhouse import Session, Store
from spendmeter_clickhouse.catalogue import (
    COLUMNS,
    DIMENSIONS,
    LATENCY_BIN,
    POINT_MEASURES,
    ROW_MEASURES,
    TOTAL_MEASURES,
)
from spendmeter_rollups.query.planner import Piece, plan
from spendmeter_rollups.query.sums import Sums, sums
from spendmeter_rollups.query.windows import Window
from tests.support.usage import merge_rollups

BEGIN = datetime(2026, 10, 24, tzinfo=UTC)
DAYS = 10
WINDOW = Window(BEGIN, BEGIN + timedelta(days=DAYS))
"""Of two periods of five days, counted from 1970."""
HOURS = tuple(BEGIN + timedelta(hours=number) for number in range(DAYS * 24))
QUARTERS = tuple(hour + timedelta(minutes=45) for hour in HOURS)

EVENTS = 240_000

QUESTIONS = {
    "days": ((), POINT_MEASURES, HOURS[::24], "by_outcome"),
    "everything": ((), ROW_MEASURES, (), "by_outcome"),
    "orgs": (("org_id",), ROW_MEASURES, (), "by_org"),
    "whose key": (("key_source",), ROW_MEASURES, (), "by_outcome"),
    "hours": ((), POINT_MEASURES, HOURS, "by_model"),
    "hours of Nepal": ((), POINT_MEASURES, QUARTERS, "by_model"),
    "hours of orgs": (("org_id",), POINT_MEASURES, HOURS, "by_org"),
    "models, in full": (DIMENSIONS["model"].columns, TOTAL_MEASURES, (), "by_outcome"),
    "errors": (("provider", "error_type", "status"), ROW_MEASURES, (), "by_outcome"),
    "roles and their models": (("role", "model"), ROW_MEASURES, (), "by_model"),
    **{name: ((name,), ROW_MEASURES, (), "by_feature") for name in ("role", "feature", "action", "service")},
    **{name: ((name,), ROW_MEASURES, (), "by_task") for name in ("agent_id", "task_id", "configuration_id")},
    "users": (DIMENSIONS["user"].columns, ROW_MEASURES, (), "by_person"),
    "users, by the day": (DIMENSIONS["user"].columns, ("cost",), HOURS[::24], "by_day"),
    "classes": (DIMENSIONS["class"].columns, ROW_MEASURES, (), "by_class"),
    "classes, by the day": (DIMENSIONS["class"].columns, ROW_MEASURES, HOURS[::24], "by_class_day"),
    "how many users in an org": (("org_id",), ("users",), (), "by_class"),
    "how many users in an org, by the day": (("org_id",), ("users",), HOURS[::24], "by_class_day"),
    "how many users of a feature": (("feature",), ("users",), (), "by_feature"),
    "how many users of a feature, by the day": (("feature",), ("users",), HOURS[::24], "by_feature_day"),
    "latencies": ((LATENCY_BIN,), ("latency_requests",), (), "by_model"),
}


@pytest.fixture(scope="module")
def merged(store: Store) -> Iterator[Session]:
    with store.session("projections") as session:
        # Below a few hundred thousand rows, the store prefers these to a projection.
        for first in range(0, EVENTS, EVENTS // 3):
            asyncio.run(
                session.command(block(first=first, rows=EVENTS // 3, per_day=EVENTS // DAYS, start=BEGIN.date()))
            )
            merge_rollups(store)
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
    # The query names one; the store refuses to answer from another, or from the table.
    found = read(merged, what, pieces, force_optimize_projection_name=projection)
    raw = read(merged, what, (Piece(None, (WINDOW,)),))
    if columns == (LATENCY_BIN,):
        raw = [row for row in raw if row[1]]
    assert found == raw
    assert found


@pytest.mark.parametrize("column", sorted(COLUMNS))
def test_an_answer_does_not_depend_on_projections(merged: Session, column: str) -> None:
    what = Sums((column,), ROW_MEASURES, {"org_id": ("org-0", "org-7")})
    pieces = plan(WINDOW, columns=what.touched, measures=ROW_MEASURES)
    assert read(merged, what, pieces) == read(merged, what, pieces, optimize_use_projections=0)
