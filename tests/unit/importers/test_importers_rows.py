"""Reading rows: places, faults, formats."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spendmeter_events.importers import MAX_LINE_BYTES, RejectedRow, Row, UnreadableFile, read_rows


def _file(folder: Path, content: bytes, name: str = "calls.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _cells(path: Path) -> list[object]:
    with read_rows(path) as rows:
        return [dict(row.cells) if isinstance(row, Row) else row for row in rows]


def test_csv_rows_carry_the_line_they_begin_on(tmp_path: Path) -> None:
    path = _file(tmp_path, b'a,b\r\n1,2\r\n\r\n3,"x\r\ny"\r\n5,6')
    with read_rows(path) as rows:
        assert rows.columns == ("a", "b")
        assert [(row.line, row.cells) for row in rows if isinstance(row, Row)] == [
            (2, {"a": "1", "b": "2"}),
            (4, {"a": "3", "b": "x\ny"}),
            (6, {"a": "5", "b": "6"}),
        ]


def test_json_lines_carry_typed_values(tmp_path: Path) -> None:
    path = _file(tmp_path, b'{"a":1,"b":null}\n\n{"a":"x","c":2.5}\n', "calls.jsonl")
    with read_rows(path) as rows:
        assert rows.columns == ("a", "b", "c")
        assert [(row.line, row.cells) for row in rows if isinstance(row, Row)] == [
            (1, {"a": 1, "b": None}),
            (3, {"a": "x", "c": 2.5}),
        ]


@pytest.mark.parametrize(
    ("name", "content", "first"),
    [
        ("calls.csv", b"{a\n1\n", {"{a": "1"}),
        ("calls.ndjson", b'{"a":1}\n', {"a": 1}),
        ("calls.json", b'{"a":1}\n', {"a": 1}),
        ("calls.log", b'\xef\xbb\xbf {"a":1}\n', {"a": 1}),
        ("calls", b"a\n1\n", {"a": "1"}),
    ],
)
def test_the_format_goes_by_suffix_and_then_by_content(
    tmp_path: Path, name: str, content: bytes, first: dict[str, object]
) -> None:
    assert _cells(_file(tmp_path, content, name)) == [first]


def test_gzip_is_known_by_its_first_bytes_and_gives_the_same_rows(tmp_path: Path) -> None:
    content = b"a,b\n1,2\n3,4\n"
    plain = list(read_rows(_file(tmp_path, content)))
    assert list(read_rows(_file(tmp_path, gzip.compress(content), "calls.csv.gz"))) == plain
    assert list(read_rows(_file(tmp_path, gzip.compress(content), "renamed.csv"))) == plain


def test_a_gzip_stream_that_breaks_off_is_an_error_after_its_last_whole_row(tmp_path: Path) -> None:
    content = gzip.compress(b"a\n" + b"".join(b"%d\n" % n for n in range(200_000)))
    rows = read_rows(_file(tmp_path, content[: len(content) // 2], "calls.csv.gz"))
    assert next(rows) == Row(2, hashlib.sha256(b'[["a","0"]]').digest(), {"a": "0"})
    with pytest.raises(UnreadableFile, match="the compressed stream is truncated or damaged after line"):
        list(rows)


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    with_mark = _file(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n", "marked.csv")
    assert list(read_rows(with_mark)) == list(read_rows(_file(tmp_path, b"a,b\n1,2\n")))


def test_utf_16_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="UTF-16; save it as UTF-8"):
        read_rows(_file(tmp_path, "a,b\n1,2\n".encode("utf-16")))


@pytest.mark.parametrize("content", [b"", b"\n\n", b",,\n1,2,3\n"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadableFile, match="the file is empty"):
        read_rows(_file(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_json_lines_without_a_row_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadableFile, match="the file is empty"):
        read_rows(_file(tmp_path, content, "calls.jsonl"))


def test_wrong_utf_8_costs_its_own_line_only(tmp_path: Path) -> None:
    assert _cells(_file(tmp_path, b"a,b\n1,\xff\xfe\n3,4\n")) == [
        RejectedRow(2, "not UTF-8"),
        {"a": "3", "b": "4"},
    ]
    assert _cells(_file(tmp_path, b'{"a":"\xff"}\n{"a":1}\n', "calls.jsonl")) == [
        RejectedRow(1, "not UTF-8"),
        {"a": 1},
    ]


def test_wrong_utf_8_in_the_header_stops_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="line 1: the header is not UTF-8"):
        read_rows(_file(tmp_path, b"a\xff,b\n1,2\n"))


def test_a_header_that_is_not_csv_stops_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="line 2: the header is not CSV: "):
        read_rows(_file(tmp_path, b'"a\n1\n'))


def test_a_row_of_another_width_is_rejected(tmp_path: Path) -> None:
    assert _cells(_file(tmp_path, b"a,b\n1\n1,2,3\n1,2\n")) == [
        RejectedRow(2, "1 cells where the header has 2"),
        RejectedRow(3, "3 cells where the header has 2"),
        {"a": "1", "b": "2"},
    ]


def test_bad_quoting_is_rejected_and_reading_continues(tmp_path: Path) -> None:
    first, second = _cells(_file(tmp_path, b'a,b\n1,"x"y\n1,2\n'))
    assert isinstance(first, RejectedRow)
    assert first.line == 2
    assert first.reason.startswith("not CSV: ")
    assert second == {"a": "1", "b": "2"}


def test_an_unclosed_quote_is_one_rejection_at_the_end(tmp_path: Path) -> None:
    assert _cells(_file(tmp_path, b'a,b\n1,2\n3,"x\n5,6\n')) == [
        {"a": "1", "b": "2"},
        RejectedRow(3, "not CSV: unexpected end of data"),
    ]


def test_an_unclosed_quote_swallows_a_bounded_part_of_a_large_file(tmp_path: Path) -> None:
    swallowed = 131072 // 4 + 10
    content = b'a,b\n3,"x\n' + b"5,6\n" * swallowed + b"7,8\n"
    cells = _cells(_file(tmp_path, content))
    assert isinstance(cells[0], RejectedRow)
    assert cells[0].line == 2
    assert cells[-1] == {"a": "7", "b": "8"}


def test_a_line_too_long_is_rejected_without_being_read_into_memory(tmp_path: Path) -> None:
    size = 24 * MAX_LINE_BYTES
    path = _file(tmp_path, b"a,b\n1,2\n" + b"x" * size + b"\n3,4\n")
    tracemalloc.start()
    try:
        cells = _cells(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cells == [
        {"a": "1", "b": "2"},
        RejectedRow(3, f"longer than {MAX_LINE_BYTES} bytes"),
        {"a": "3", "b": "4"},
    ]
    assert peak < size / 4


def test_a_line_too_long_inside_quotes_rejects_its_record(tmp_path: Path) -> None:
    path = _file(tmp_path, b'a,b\n1,"x\n' + b"y" * (MAX_LINE_BYTES + 5) + b'\nz"\n3,4\n')
    assert _cells(path) == [RejectedRow(2, f"longer than {MAX_LINE_BYTES} bytes"), {"a": "3", "b": "4"}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b'{"a":NaN}', "not JSON"),
        (b"[" * 10_000, "JSON nested too deeply"),
        (b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", "JSON nested too deeply"),
        (b'["a"]', "not a JSON object"),
        (b"3", "not a JSON object"),
        (b"x" * (MAX_LINE_BYTES + 1), f"longer than {MAX_LINE_BYTES} bytes"),
    ],
)
def test_a_json_line_that_is_no_object_is_rejected(tmp_path: Path, line: bytes, reason: str) -> None:
    path = _file(tmp_path, line + b'\n{"a":1}', "calls.jsonl")
    assert _cells(path) == [RejectedRow(1, reason), {"a": 1}]


def test_position_runs_to_the_size_on_the_disk(tmp_path: Path) -> None:
    content = gzip.compress(b"a,b\n" + b"1,2\n" * 5000)
    with read_rows(_file(tmp_path, content, "calls.csv.gz")) as rows:
        assert rows.total_bytes == len(content)
        for _ in rows:
            assert 0 < rows.position() <= len(content)
        assert rows.position() == len(content)
    assert rows.position() == len(content)


def test_a_pipe_has_no_size_and_no_position(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(b"a\n1\n"),))
    writer.start()
    with read_rows(pipe) as rows:
        assert [row.cells for row in rows if isinstance(row, Row)] == [{"a": "1"}]
        assert (rows.position(), rows.total_bytes) == (0, 0)
    writer.join(timeout=10)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with path.open("wb") as file:
        for number in range(60_000):
            file.write(b'{"at":"2026-01-01T00:00:00Z","n":%d,"pad":"%0200d"}\n' % (number, number))
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_rows(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 60_000
    assert peak < path.stat().st_size / 4


_CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=20)


@given(st.lists(st.tuples(_CELL, _CELL.filter(bool)), max_size=20))
def test_written_csv_reads_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("left", "right"), *rows])
    path = _file(tmp_path_factory.mktemp("rows"), text.getvalue().encode())
    assert _cells(path) == [{"left": left, "right": right} for left, right in rows]


@given(st.lists(st.dictionaries(_CELL, st.none() | st.booleans() | st.integers() | _CELL), min_size=1, max_size=20))
def test_written_json_reads_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert _cells(_file(tmp_path_factory.mktemp("rows"), content, "calls.jsonl")) == rows
