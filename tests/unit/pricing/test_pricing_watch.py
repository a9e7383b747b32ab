"""A price book that changes while the worker runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from spendmeter_stream.pricing import PriceBook, PriceBookError, PriceBookWatcher
from spendmeter_stream.pricing.watch import Row, parse_row
from tests.support.pricing import Call, M, price

FILE = """
provider = "maker"
[[price]]
models = ["m"]
from = "beginning"
per_million = { input_tokens = 1 }
source = "here"
verified_at = 2026-01-01
"""
ROW: dict[str, Any] = {
    "provider": "maker",
    "models": ["m"],
    "from": "2026-11-10T00:00:00Z",
    "per_million": {"input_tokens": "3"},
    "source": "an operator",
    "verified_at": "2026-11-10",
}


def cost(book: PriceBook, at: str = "2026-11-20T00:00Z", org: str = "acme") -> Any:
    return price(book, Call("maker", "m", {"input_tokens": M}, at=at, org=org))["cost"]


def write(folder: Path, text: str, tick: int = 0) -> None:
    file = folder / "maker.toml"
    file.write_text(text)
    os.utime(file, ns=(0, 1_000_000_000 + tick))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, FILE)
    return tmp_path


def test_an_edited_file_takes_effect_at_the_next_poll(folder: Path) -> None:
    watcher = PriceBookWatcher(directory=folder)
    before = watcher.book
    assert not watcher.poll()

    write(folder, FILE.replace("input_tokens = 1", "input_tokens = 2"), tick=1)

    assert cost(watcher.book) == 1
    assert watcher.poll()
    assert cost(watcher.book) == 2
    assert cost(before) == 1, "a chunk that took the old book keeps it"
    assert not watcher.poll()


def test_a_new_file_in_the_seed_folder_is_noticed(folder: Path) -> None:
    watcher = PriceBookWatcher(directory=folder)
    (folder / "seed").mkdir()
    (folder / "seed" / "other.toml").write_text(FILE.replace("maker", "other"))

    assert watcher.poll()
    assert watcher.book.provider_name("other") == "other"


def test_an_edit_that_changes_no_price_is_no_new_book(folder: Path) -> None:
    watcher = PriceBookWatcher(directory=folder)
    write(folder, "# reviewed\n" + FILE, tick=1)

    assert not watcher.poll()


def test_a_faulty_file_leaves_the_old_book_in_force(folder: Path) -> None:
    watcher = PriceBookWatcher(directory=folder)
    write(folder, FILE.replace("models", "modles"), tick=1)

    assert not watcher.poll()
    assert watcher.fault is not None
    assert "did you mean 'models'" in str(watcher.fault)
    assert cost(watcher.book) == 1

    write(folder, FILE.replace("input_tokens = 1", "input_tokens = 5"), tick=2)
    assert watcher.poll()
    assert str(watcher.fault) == "None"
    assert cost(watcher.book) == 5


def test_a_worker_does_not_start_on_a_faulty_book(tmp_path: Path) -> None:
    with pytest.raises(PriceBookError):
        PriceBookWatcher(directory=tmp_path)


def test_a_row_from_the_topic_applies_from_its_date_and_can_be_taken_back(folder: Path) -> None:
    watcher = PriceBookWatcher(directory=folder)

    assert watcher.put("m-2026-11", ROW)
    assert cost(watcher.book) == 3
    assert cost(watcher.book, at="2026-11-09T23:59:59.999Z") == 1, "an event in flight keeps its price"

    assert watcher.put("m-2026-11", None)
    assert cost(watcher.book) == 1
    assert not watcher.put("m-2026-11", None)


def test_the_newest_record_of_a_key_counts_and_survives_a_change_of_files(folder: Path) -> None:
    watcher = PriceBookWatcher(directory=folder)
    watcher.put("a", ROW)
    watcher.put("a", {**ROW, "per_million": {"input_tokens": "4"}})
    watcher.put("b", {**ROW, "org": "school", "per_million": {"input_tokens": "0.5"}})
    write(folder, FILE.replace("input_tokens = 1", "input_tokens = 2"), tick=1)

    assert watcher.poll()
    assert cost(watcher.book) == 4
    assert str(cost(watcher.book, org="school")) == "0.500000000000"
    assert cost(watcher.book, at="2026-01-01T00:00Z") == 2


@pytest.mark.parametrize("record", [b"{", b"[1]", b'"x"', b"[" * 10_000 + b"]" * 10_000])
def test_a_record_that_is_no_json_object_is_refused(record: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        parse_row(record)


def test_a_record_is_a_row_or_removes_it() -> None:
    assert parse_row(json.dumps(ROW).encode()) == ROW
    assert parse_row(None) is None


@pytest.mark.parametrize("record", [{}, {"provider": "maker", "models": 7}])
def test_a_bad_record_is_refused_and_changes_nothing(folder: Path, record: Row) -> None:
    watcher = PriceBookWatcher(directory=folder)
    watcher.put("good", ROW)

    assert not watcher.put("bad", record)
    assert watcher.fault is not None
    assert cost(watcher.book) == 3


def test_an_exception_that_no_check_foresaw_refuses_the_row_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a bug in the checks, when a row triggers it, then the book stays, and the fault names the exception."""
    watcher = PriceBookWatcher(directory=folder)
    watcher.put("good", ROW)

    with_rows = PriceBook.with_rows

    def raises(book: PriceBook, rows: Iterable[Row], **options: Any) -> PriceBook:
        if {} in (found := list(rows)):
            raise TypeError("quotes the row")
        return with_rows(book, found, **options)

    monkeypatch.setattr(PriceBook, "with_rows", raises)
    assert not watcher.put("bad", {})
    assert "the row raises TypeError" in str(watcher.fault)
    assert "quotes" not in str(watcher.fault)
    assert cost(watcher.book) == 3
    assert watcher.rejected.keys() == {"bad"}

    assert watcher.put_all({"a faulty row": {"provider": "maker"}, "a good row": {**ROW, "org": "school"}})
    assert watcher.rejected.keys() == {"a faulty row", "bad"}
    assert cost(watcher.book) == 3


def test_many_records_are_taken_at_once_and_only_the_faulty_are_refused(folder: Path) -> None:
    watcher = PriceBookWatcher(directory=folder)
    watcher.put("old", {**ROW, "org": "late"})
    records: dict[str, Row | None] = {
        "old": None,
        "a": ROW,
        "overlapping": ROW,
        "b": {**ROW, "org": "school", "per_million": {"input_tokens": "0.5"}},
    }

    assert watcher.put_all(records)
    assert (cost(watcher.book), cost(watcher.book, org="school"), cost(watcher.book, org="late")) == (3, 0.5, 3)
    assert watcher.fault is not None
    assert "overlap" in str(watcher.fault)

    assert watcher.put_all({"a": None, "b": None, "overlapping": None})
    assert str(watcher.fault) == "None"
    assert cost(watcher.book) == 1


def test_a_row_rejected_for_an_overlap_is_in_force_once_the_other_row_is_removed(folder: Path) -> None:
    watcher = PriceBookWatcher(directory=folder)
    later = {**ROW, "from": "2026-11-15T00:00:00Z", "per_million": {"input_tokens": "5"}}
    watcher.put("earlier", ROW)
    watcher.put("later", later)
    assert watcher.rejected.keys() == {"later"}
    assert "row later: overlap" in str(watcher.fault)
    assert "from row earlier" in str(watcher.fault)

    assert watcher.put("earlier", None)

    assert not watcher.rejected
    assert cost(watcher.book) == 5


@pytest.mark.parametrize("order", list(permutations(("a", "b", "alias", "odd"))))
def test_the_book_is_independent_of_the_order_of_rows(folder: Path, order: tuple[str, ...]) -> None:
    alias = {key: value for key, value in ROW.items() if key != "per_million"} | {"models": ["latest"], "serves": "new"}
    rows: dict[str, Row] = {
        "a": {**ROW, "models": ["m", "new"]},
        "b": {**ROW, "per_million": {"input_tokens": "5"}},
        "alias": alias,
        "odd": {"provider": "maker"},
    }
    watcher, started_later = PriceBookWatcher(directory=folder), PriceBookWatcher(directory=folder)

    for key in order:
        watcher.put(key, rows[key])
    started_later.put_all(rows)

    assert watcher.book.version == started_later.book.version
    assert watcher.rejected.keys() == {"b", "odd"}
    assert cost(watcher.book) == 3


def test_changed_files_are_in_force_although_a_row_is_not_valid_with_them(folder: Path) -> None:
    """Given a row that serves a model of the files, when the model is gone, then only the row is left out."""
    write(folder, FILE + FILE[FILE.index("[[") :].replace('"m"', '"new"'), tick=1)
    watcher = PriceBookWatcher(directory=folder)
    alias = {key: value for key, value in ROW.items() if key != "per_million"} | {"models": ["latest"], "serves": "new"}
    watcher.put("alias", alias)
    assert watcher.fault is None

    write(folder, FILE.replace("input_tokens = 1", "input_tokens = 2"), tick=2)

    assert watcher.poll()
    assert cost(watcher.book) == 2
    assert "which has no price in this period" in str(watcher.rejected["alias"])


def test_a_row_for_a_misspelt_provider_is_refused_and_one_for_a_new_provider_taken(folder: Path) -> None:
    watcher = PriceBookWatcher(directory=folder)

    assert not watcher.put("typo", {**ROW, "provider": "makr"})
    assert "unknown provider 'makr'; did you mean 'maker'?" in str(watcher.fault)
    assert watcher.put("new", {**ROW, "provider": "our-own-model"})


def test_a_discount_can_come_by_the_topic(folder: Path) -> None:
    watcher = PriceBookWatcher(directory=folder)
    discount = {key: value for key, value in ROW.items() if key != "per_million"} | {"org": "school", "factor": "0.8"}

    assert watcher.put("school", discount)
    assert str(cost(watcher.book, org="school")) == "0.800000000000"
    assert cost(watcher.book) == 1


def test_rows_on_top_replace_earlier_rows_on_top(folder: Path) -> None:
    book = PriceBook.load(folder).with_rows([ROW])

    again = book.with_rows([{**ROW, "per_million": {"input_tokens": "7"}}])

    assert (cost(book), cost(again)) == (3, 7)
    assert len({PriceBook.load(folder).version, book.version, again.version}) == 3


def test_the_packaged_book_is_watched_by_default() -> None:
    watcher = PriceBookWatcher()

    assert watcher.book.version == PriceBook.load().version
    assert not watcher.poll()


def test_a_row_is_tried_without_putting_it_in_force(folder: Path) -> None:
    watcher = PriceBookWatcher(directory=folder)
    watcher.put("m-2026-11", ROW)

    book, rejected = watcher.with_record("m-2026-11", {**ROW, "per_million": {"input_tokens": "4"}})
    assert (cost(book), rejected) == (4, {})
    assert list(watcher.with_record("wrong", {**ROW, "models": []})[1]) == ["wrong"]
    assert cost(watcher.with_record("m-2026-11", None)[0]) == 1
    assert cost(watcher.book) == 3
    assert watcher.rows == {"m-2026-11": ROW}
