"""Read the rows of a CSV or JSON lines file one at a time, with their line numbers."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from operator import itemgetter
from pathlib import PurePath
from typing import IO, Any, Final, Literal, NamedTuple, Self

from pydantic_core import from_json

from spendmeter_events.importers._errors import UnreadableFile
from spendmeter_events.importers._expressions import paths_of
from spendmeter_events.importers._identity import digest_of
from spendmeter_events.importers._lines import Lines
from spendmeter_events.importers._sources import decompressed, open_file

FileFormat = Literal["auto", "csv", "jsonl"]

_SUFFIXES: dict[str, Literal["csv", "jsonl"]] = {
    ".csv": "csv",
    ".json": "jsonl",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_NOT_DELIMITERS: Final = '"\r\n \0'
_OTHER_DELIMITERS: Final = (";", "\t", "|")
_PEEK_ROWS = 1000
_PEEK_BYTES = 4 * 2**20


class Row(NamedTuple):
    """One data row."""

    line: int
    """Its first line in the file, from 1."""
    digest: bytes
    """SHA-256 of its columns and cells, independent of their order."""
    cells: Mapping[str, Any]
    """Column name → text (CSV) or JSON value."""


class RejectedRow(NamedTuple):
    """A line without an event. The reason is one line, and never contains content of the file."""

    line: int
    reason: str


class SkippedRow(NamedTuple):
    """A line that is not a call of a provider, such as an answer from a gateway's cache."""

    line: int
    reason: str


class _Table(NamedTuple):
    columns: tuple[str, ...]
    records: Iterator[Row | RejectedRow]
    paths: frozenset[str] = frozenset()


class Rows(Iterator[Row | RejectedRow]):
    """An open file: iterate over it once, then close it (or use it as a context manager)."""

    def __init__(self, *, file: IO[bytes], table: _Table) -> None:
        self._file = file
        self._records = table.records
        self._position = 0
        self.columns = table.columns
        """CSV: the header. JSON lines: all keys of the first thousand rows."""
        self.paths = table.paths
        """JSON lines: dotted paths of the nested keys of these rows. CSV: none."""
        self.total_bytes = os.fstat(file.fileno()).st_size
        """Size of the file on disk; 0 for a pipe."""

    def position(self) -> int:
        """Return how many of `total_bytes` have been read, for a progress bar; 0 for a pipe."""
        if not self._file.closed and self._file.seekable():
            self._position = self._file.tell()
        return self._position

    def close(self) -> None:
        """Close the file; `position` keeps its last value."""
        self.position()
        self._file.close()

    def __next__(self) -> Row | RejectedRow:
        return next(self._records)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_rows(path: str | os.PathLike[str], *, format: FileFormat = "auto", delimiter: str | None = None) -> Rows:
    """Open a file of rows; `-` is stdin. Raises `OSError`, or `UnreadableFile` if no row can be read.

    `auto` uses the suffix (before `.gz`, or inside a zip archive), or the content if the suffix is unknown; gzip and
    zip are detected by their first bytes. `delimiter` separates the cells of CSV, by default a comma; if it is given,
    `auto` is CSV.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in _NOT_DELIMITERS):
        raise UnreadableFile("the delimiter must be one character, such as ; or | or a tab")
    with ExitStack() as until_open:
        file = until_open.enter_context(open_file(path))
        source = decompressed(file, path)
        kind = "csv" if delimiter is not None and format == "auto" else _format(source.name, source.stream, format)
        lines = Lines(source.stream)
        table = _csv(lines, delimiter) if kind == "csv" else _jsonl(lines)
        until_open.pop_all()
    return Rows(file=file, table=table)


def _format(name: PurePath, stream: io.BufferedReader, requested: FileFormat) -> Literal["csv", "jsonl"]:
    if requested != "auto":
        return requested
    known = _SUFFIXES.get(name.suffix.lower())
    if known:
        return known
    return "jsonl" if stream.peek(1).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "csv"


def _csv(lines: Lines, delimiter: str | None) -> _Table:
    reader = csv.reader(lines, strict=True, delimiter=delimiter or ",")
    try:
        header = next((cells for cells in reader if cells), [])
    except csv.Error as error:
        raise UnreadableFile(f"line {lines.number}: the header is not CSV: {error}") from error
    fault = lines.take_fault()
    if fault:
        raise UnreadableFile(f"line {lines.number}: the header is {fault}")
    columns = tuple(name.strip() for name in header)
    if not any(columns):
        raise UnreadableFile("the file is empty: no header row")
    other = next((each for each in _OTHER_DELIMITERS if each in columns[0]), None)
    if delimiter is None and len(columns) == 1 and other:
        raise UnreadableFile(f"the header has no comma but {other!r}: set --delimiter (in Python, delimiter)")
    return _Table(columns, _csv_records(reader, lines, columns))


def _csv_records(reader: Iterator[list[str]], lines: Lines, columns: tuple[str, ...]) -> Iterator[Row | RejectedRow]:
    width = len(columns)
    while True:
        start = lines.number + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # The reader restarts at the next line: a stray quote affects only the lines that it consumed.
            yield RejectedRow(start, lines.take_fault() or f"not CSV: {error}")
            continue
        if cells is None:
            return
        fault = lines.take_fault()
        if fault:
            yield RejectedRow(start, fault)
        elif len(cells) == width:
            pairs = list(zip(columns, cells, strict=True))
            yield Row(start, digest_of(sorted(pairs)), dict(pairs))
        elif cells:
            yield RejectedRow(start, f"{len(cells)} cells where the header has {width}")


def _jsonl(lines: Lines) -> _Table:
    records = _jsonl_records(lines)
    seen: dict[str, None] = {}
    paths: set[str] = set()
    first: list[Row | RejectedRow] = []
    for record in itertools.islice(records, _PEEK_ROWS):
        first.append(record)
        if isinstance(record, Row):
            seen.update(dict.fromkeys(record.cells))
            paths.update(paths_of(record.cells))
        if lines.size > _PEEK_BYTES:
            break
    if not first:
        raise UnreadableFile("the file is empty: no row")
    return _Table(tuple(seen), itertools.chain(first, records), frozenset(paths))


def _jsonl_records(lines: Lines) -> Iterator[Row | RejectedRow]:
    for text in lines:
        fault = lines.take_fault()
        if fault:
            yield RejectedRow(lines.number, fault)
        elif not text.isspace():
            yield _json_row(text, lines)


def _json_row(text: str, lines: Lines) -> Row | RejectedRow:
    try:
        cells = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        too_deep = "recursion limit" in str(error)
        return RejectedRow(lines.number, "JSON nested too deeply" if too_deep else "not JSON")
    if not isinstance(cells, dict):
        return RejectedRow(lines.number, "not a JSON object")
    return Row(lines.number, digest_of(sorted(cells.items(), key=itemgetter(0))), cells)
