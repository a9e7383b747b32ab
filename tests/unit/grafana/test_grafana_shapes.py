"""Faults that the gate reports, for each kind of statement."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.gate.shapes import Answer, bucket_aliases, faults
from tests.gate.statements import Statement

FIRST, SECOND = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
TIME, NAME, NUMBER = "DateTime('UTC')", "LowCardinality(String)", "Nullable(Float64)"


def found(kind: str, columns: dict[str, str], *rows: Any, series: bool = False) -> list[str]:
    statement = Statement("board", "panel", kind, "", series=series)
    return faults(statement, Answer(list(columns), list(columns.values()), rows), full=True)


def test_a_series_of_ascending_times_with_labels_passes() -> None:
    columns = {"time": TIME, "name": NAME, "USD": NUMBER}
    assert found("timeseries", columns, (FIRST, "a", 1.0), (FIRST, "b", None), (SECOND, "a", 2.0), series=True) == []


@pytest.mark.parametrize(
    ("columns", "rows", "fault"),
    [
        ({"time": TIME, "USD": NUMBER}, [(SECOND, 1), (FIRST, 1)], "ascending"),
        ({"time": TIME, "USD": NUMBER}, [(FIRST, 1), (FIRST, 1)], "twice"),
        ({"day": TIME, "USD": NUMBER}, [(FIRST, 1)], "only time"),
        ({"time": TIME, "until": TIME, "USD": NUMBER}, [(FIRST, SECOND, 1)], "only time"),
        ({"time": TIME, "name": NAME}, [(FIRST, "a")], "number"),
        ({"time": TIME, "USD": "Decimal(38, 12)"}, [(FIRST, 1)], "Decimal"),
        ({"time": TIME, "USD": NUMBER}, [], "no rows"),
    ],
)
def test_a_series_that_grafana_cannot_draw(columns: dict[str, str], rows: list[Any], fault: str) -> None:
    assert any(fault in text for text in found("timeseries", columns, *rows, series=True))


@pytest.mark.parametrize(
    ("kind", "columns", "right"),
    [
        ("alert", {"org": NAME, "value": NUMBER}, True),
        ("alert", {"value": NUMBER}, True),
        ("alert", {"org": NAME}, False),
        ("alert", {"a": NUMBER, "b": NUMBER}, False),
        ("alert", {"time": TIME, "value": NUMBER}, False),
        ("variable", {"value": NAME, "text": NAME}, True),
        ("variable", {"text": NAME, "value": NAME}, False),
        ("annotation", {"time": TIME, "title": NAME, "text": NAME, "tags": NAME}, True),
        ("annotation", {"time": TIME, "text": NAME}, False),
        ("piechart", {"name": NAME, "USD": NUMBER}, True),
        ("piechart", {"USD": NUMBER, "name": NAME}, False),
    ],
)
def test_kinds_that_are_not_series(kind: str, columns: dict[str, str], right: bool) -> None:
    assert (found(kind, columns, tuple("x" * len(columns))) == []) is right


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT toStartOfHour(bucket, zone) AS bucket, sum(x) AS y FROM t", ["bucket"]),
        (
            "SELECT toStartOfInterval(toDateTime(occurred_at), INTERVAL 60 second) AS occurred_at FROM t",
            ["occurred_at"],
        ),
        ("SELECT toStartOfHour(event.occurred_at) AS occurred_at FROM t AS event", ["occurred_at"]),
        ("SELECT toStartOfHour(bucket) AS time, sum(usage.cost) AS cost FROM t AS usage", []),
    ],
)
def test_a_bucket_named_like_its_column_is_found(sql: str, names: list[str]) -> None:
    assert bucket_aliases(sql) == names
