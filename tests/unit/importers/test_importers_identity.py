"""The id of a call is the same in every file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from spendmeter_events.importers import (
    EventMapping,
    Imported,
    InvalidMapping,
    RejectedRow,
    SkippedRow,
    UnreadableFile,
    events,
)

CONSTANTS = {"org_id": "azure", "provider": "openai", "model": "gpt-4o", "feature": "chat"}
MAPPING = EventMapping(columns={"occurred_at": "at", "input_tokens": "in"}, constants=CONSTANTS)
BY_ID = EventMapping(columns=MAPPING.columns, constants=CONSTANTS, id_from="id")
CALLS = [f"2026-01-0{day}T00:00:00Z,{day},call-{day}" for day in range(1, 9)]


class Exports:
    """Creates files of calls with the columns at, in, id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def __call__(self, lines: list[str], mapping: EventMapping = MAPPING, header: str = "at,in,id") -> list[UUID]:
        """Return the ids of the events of a new file with `lines`."""
        return [item.event.event_id for item in self.items(lines, mapping, header) if isinstance(item, Imported)]

    def items(
        self, lines: list[str], mapping: EventMapping, header: str = "at,in,id"
    ) -> Iterator[Imported | RejectedRow | SkippedRow]:
        self._number += 1
        file = self._folder / f"{self._number}.csv"
        file.write_text("\n".join([header, *lines]))
        return events(file, mapping)


@pytest.fixture
def export(tmp_path: Path) -> Exports:
    return Exports(tmp_path)


def test_an_export_with_the_newest_first_keeps_all_ids(export: Exports) -> None:
    assert export(CALLS[::-1]) == export(CALLS)[::-1]


def test_five_of_five_calls_that_two_exports_share_keep_their_ids(export: Exports) -> None:
    shared = set(export(CALLS[:6])) & set(export(CALLS[1:]))
    assert len(shared) == 5
    assert set(export(CALLS[5:0:-1])) == shared


def test_a_new_order_of_the_columns_changes_no_id(export: Exports) -> None:
    turned = [",".join(reversed(line.split(","))) for line in CALLS]
    assert export(turned, header="id,in,at") == export(CALLS)


def test_equal_rows_are_different_calls_wherever_they_are(export: Exports) -> None:
    beside = export([CALLS[0], CALLS[0], CALLS[1]])
    apart = export([CALLS[0], CALLS[1], CALLS[0]])
    assert len(set(beside)) == 3
    assert set(apart) == set(beside)
    assert set(export([CALLS[0]])) < set(beside)


def test_json_lines_keep_their_ids_whatever_the_order_of_keys(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text(
        '{"at": "2026-01-01", "in": 1, "more": {"a": 1, "b": 2}}\n'
        '{"more": {"b": 2, "a": 1}, "in": 1, "at": "2026-01-01"}'
    )
    first, second = events(file, MAPPING)
    file.write_text('{"more": {"b": 2, "a": 1}, "in": 1, "at": "2026-01-01"}')
    (alone,) = events(file, MAPPING)
    assert isinstance(first, Imported)
    assert isinstance(second, Imported)
    assert isinstance(alone, Imported)
    assert alone.event.event_id == first.event.event_id != second.event.event_id


def test_a_column_of_ids_keeps_the_id_of_a_row_that_gained_a_column(export: Exports) -> None:
    more = [f"{line},note {number}" for number, line in enumerate(CALLS)]
    assert export(more, BY_ID, header="at,in,id,note") == export(CALLS, BY_ID)
    assert not set(export(more, header="at,in,id,note")) & set(export(CALLS))


def test_an_id_that_comes_twice_with_the_same_content_is_one_call(export: Exports) -> None:
    first, second = export([CALLS[0], CALLS[0]], BY_ID)
    assert first == second


def test_an_id_that_comes_again_with_other_content_is_rejected_in_one_line(export: Exports) -> None:
    items = list(export.items([CALLS[0], CALLS[1], CALLS[0].replace(",1,", ",7,")], BY_ID))
    assert items[2] == RejectedRow(4, "same id as line 2, but different content")
    assert [type(item) for item in items[:2]] == [Imported, Imported]


def test_the_same_number_in_two_orgs_is_two_calls(export: Exports) -> None:
    mapping = EventMapping(
        columns={**MAPPING.columns, "org_id": "org"},
        constants={k: v for k, v in CONSTANTS.items() if k != "org_id"},
        id_from="id",
    )
    assert len(set(export(["2026-01-01,1,1,a", "2026-01-01,1,1,b"], mapping, header="at,in,id,org"))) == 2


def test_a_row_without_an_id_is_rejected(export: Exports) -> None:
    """An id from its content would count the call again when another cell changes."""
    for nothing in ("", "  "):
        rejected, other = export.items([CALLS[0].replace("call-1", nothing), CALLS[1]], BY_ID)
        assert rejected == RejectedRow(2, "no id: id is empty")
        assert isinstance(other, Imported)


@pytest.mark.parametrize(
    ("event_id", "reason"),
    [
        ("null", "no id: id is empty"),
        ('""', "no id: id is empty"),
        ("{}", "no id: id is neither text nor a number"),
        ("[1]", "no id: id is neither text nor a number"),
        (None, "no id: id is empty"),
    ],
)
def test_a_json_line_without_an_id_is_rejected(tmp_path: Path, event_id: str | None, reason: str) -> None:
    file = tmp_path / "calls.jsonl"
    with_id = "" if event_id is None else f', "id": {event_id}'
    file.write_text(f'{{"at": "2026-01-01", "in": 1, "id": 7}}\n{{"at": "2026-01-01", "in": 1{with_id}}}\n')
    first, second = events(file, BY_ID)
    assert isinstance(first, Imported)
    assert second == RejectedRow(2, reason)


def test_a_file_without_a_readable_line_is_named_instead_of_its_columns(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text('{"a": ' + "[" * 300 + "]" * 300 + "}\n[]\n")
    with pytest.raises(UnreadableFile, match="no line can be read; line 1: JSON nested too deeply"):
        events(file, MAPPING)


@pytest.mark.parametrize(
    ("mapping", "fault"),
    [
        (EventMapping(columns=MAPPING.columns, constants=CONSTANTS, id_from="ID"), "the id: no column 'ID'"),
        (
            EventMapping(columns={**MAPPING.columns, "event_id": "id"}, constants=CONSTANTS, id_from="id"),
            "event_id: given by both a mapping and the column of ids",
        ),
    ],
)
def test_a_column_of_ids_that_cannot_be_used_is_named(export: Exports, mapping: EventMapping, fault: str) -> None:
    with pytest.raises(InvalidMapping, match=fault):
        export(CALLS, mapping)
