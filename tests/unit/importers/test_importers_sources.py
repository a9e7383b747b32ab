"""Where rows come from: stdin, zip archives, CSV with other delimiters."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from spendmeter_events.importers import Row, UnreadableFile, read_rows


def cells(path: str | Path, delimiter: str | None = None) -> list[object]:
    with read_rows(path, delimiter=delimiter) as rows:
        return [row.cells if isinstance(row, Row) else row for row in rows]


def archive(folder: Path, members: dict[str, str]) -> Path:
    path = folder / "export.zip"
    with ZipFile(path, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)
    return path


def test_the_only_file_of_a_zip_archive_is_read(tmp_path: Path) -> None:
    assert cells(archive(tmp_path, {"calls.jsonl": '{"a":1}\n', "__MACOSX/._calls.jsonl": "x"})) == [{"a": 1}]
    assert cells(archive(tmp_path, {"calls.csv": "a\n1\n"})) == [{"a": "1"}]


def test_a_zip_archive_of_several_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="has 2 files"):
        read_rows(archive(tmp_path, {"a.csv": "a\n1\n", "b.csv": "a\n2\n"}))


def test_a_damaged_zip_archive_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, {"calls.csv": "a\n1\n"})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UnreadableFile, match="the zip archive is damaged"):
        read_rows(path)


def test_a_damaged_file_in_a_zip_archive_ends_the_import(tmp_path: Path) -> None:
    path = archive(tmp_path, {"calls.csv": "a\n1\n"})
    path.write_bytes(path.read_bytes().replace(b"a\n1\n", b"a\n2\n"))
    with pytest.raises(UnreadableFile, match="truncated or damaged"):
        cells(path)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_csv_with_another_delimiter(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "calls.csv"
    path.write_text(f'a{delimiter}b\n"1,5"{delimiter}2\n')
    assert cells(path, delimiter) == [{"a": "1,5", "b": "2"}]
    with pytest.raises(UnreadableFile, match="set --delimiter"):
        read_rows(path)


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_an_impossible_delimiter_is_refused(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(UnreadableFile, match="must be one character"):
        read_rows(tmp_path / "calls.csv", delimiter=delimiter)


def test_stdin_is_read_and_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.write(write, b'{"a":1}\n')
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        assert cells("-") == [{"a": 1}]
        assert not pipe.closed
        os.fstat(read)
