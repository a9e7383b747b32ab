"""Paths into JSON, sums and differences, filters, and replaced values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spendmeter_events.importers import EventMapping, Imported, InvalidMapping, RejectedRow, SkippedRow, events

CONSTANTS = {"org_id": "acme", "provider": "openai", "feature": "chat"}
ROW: dict[str, Any] = {
    "at": "2026-11-02T10:00:00Z",
    "response": {"status_code": 200, "body": {"model": "gpt-4o", "usage": {"prompt": 1200, "cached": 1024, "out": 10}}},
    "outcome": "failed",
    "choices": [{"index": 7}],
    "text": '{"inner": 5}',
    "a-b": 3,
}
USAGE = "response.body.usage"
COLUMNS = {"occurred_at": "at", "model": "response.body.model"}


def read(folder: Path, *rows: dict[str, Any], columns: dict[str, str], **options: Any) -> list[Any]:
    file = folder / "calls.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(events(file, EventMapping(columns={**COLUMNS, **columns}, constants=CONSTANTS, **options)))


def test_a_difference_of_paths_counts_cached_tokens_once(tmp_path: Path) -> None:
    columns = {"input_tokens": f"{USAGE}.prompt - {USAGE}.cached", "cache_read_tokens": f"{USAGE}.cached"}
    (item,) = read(tmp_path, ROW, columns=columns)
    assert (item.event.model, item.event.input_tokens, item.event.cache_read_tokens) == ("gpt-4o", 176, 1024)
    with pytest.raises(InvalidMapping, match="is subtracted already; omit --input-includes-cache"):
        read(tmp_path, ROW, columns=columns, input_includes_cache=True)


def test_an_inclusive_path_is_refused_until_it_is_declared(tmp_path: Path) -> None:
    columns = {"input_tokens": f"{USAGE}.prompt", "cache_read_tokens": f"{USAGE}.cached"}
    with pytest.raises(InvalidMapping, match="would be counted twice"):
        read(tmp_path, ROW, columns=columns)
    (item,) = read(tmp_path, ROW, columns=columns, input_includes_cache=True)
    assert item.event.input_tokens == 176


@pytest.mark.parametrize(
    ("column", "count"),
    [("choices.0.index", 7), ("text.inner", 5), ("a-b", 3), ("a-b+text.inner", 8), ("choices.4.index", 0)],
)
def test_lists_json_text_and_names_with_signs(tmp_path: Path, column: str, count: int) -> None:
    (item,) = read(tmp_path, ROW, columns={"output_tokens": column})
    assert item.event.output_tokens == count


def test_a_path_that_no_row_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidMapping, match=f"input_tokens: no column '{USAGE}.promt'"):
        read(tmp_path, ROW, columns={"input_tokens": f"{USAGE}.promt"})


@pytest.mark.parametrize("cached", ["x", True, "nan", 1e30])
def test_a_difference_of_something_else_than_numbers_is_rejected(tmp_path: Path, cached: Any) -> None:
    columns = {"input_tokens": "a-b-cached"}
    assert read(tmp_path, {**ROW, "cached": cached}, columns=columns) == [
        RejectedRow(1, "input_tokens: not a number in a sum or difference")
    ]


def test_empty_cells_are_left_out_of_a_sum_and_negative_results_are_rejected(tmp_path: Path) -> None:
    rows = [{**ROW, "cached": None}, {**ROW, "cached": 4}]
    first, second = read(tmp_path, *rows, columns={"input_tokens": "a-b-cached"})
    assert first.event.input_tokens == 3
    assert isinstance(second, RejectedRow)


def test_other_rows_are_skipped(tmp_path: Path) -> None:
    other = {**ROW, "response": {**ROW["response"], "status_code": 500}}
    first, second = read(tmp_path, ROW, other, columns={}, where={"response.status_code": "200", "outcome": "failed"})
    assert isinstance(first, Imported)
    assert second == SkippedRow(2, "not selected by --where")


def test_values_are_replaced(tmp_path: Path) -> None:
    columns = {"status": "outcome", "output_tokens": "a-b"}
    (item,) = read(tmp_path, ROW, columns=columns, values={"status": {"failed": "error"}})
    assert (item.event.status, item.event.output_tokens) == ("error", 3)
    with pytest.raises(InvalidMapping, match="state: no such field"):
        read(tmp_path, ROW, columns=columns, values={"state": {"failed": "error"}})
