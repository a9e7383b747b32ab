"""A price book that follows its files and its topic, so that a new price needs no restart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spendmeter_stream.pricing.book.price_book import PriceBook, packaged_directory
from spendmeter_stream.pricing.book.rows import Fault, Place, PriceBookError

_Signature = tuple[tuple[str, int, int], ...]


class PriceBookWatcher:
    """Holds the book in force. `poll` and `put` replace it whole; a faulty change leaves the old one.

    Rows are dated, so events still in flight keep the price in force when they occurred.
    Not thread-safe: one task polls and puts, while others may read `book`.
    """

    def __init__(self, *, directory: Path | None = None) -> None:
        """Raises `PriceBookError` if the files cannot be used: a worker must not start without prices."""
        self._directory = directory or packaged_directory()
        self._signature = _signature(self._directory)
        self._files = PriceBook.load(self._directory)
        self._rows: dict[str, Mapping[str, Any]] = {}
        self.book = self._files
        self.fault: PriceBookError | None = None
        """Why the last change was refused; None when the book is as asked."""

    def poll(self) -> bool:
        """Reads the files again if one changed. True when another book is in force now."""
        signature = _signature(self._directory)
        if signature == self._signature:
            return False
        self._signature = signature
        try:
            files = PriceBook.load(self._directory)
        except PriceBookError as error:
            self.fault = error
            return False
        return self._replace(files, self._rows)

    def put(self, key: str, value: bytes | None) -> bool:
        """Takes one record of a compacted topic: the newest row of its key, as JSON, or None to take it back.

        True when another book is in force now.
        """
        return self.put_all({key: value})

    def put_all(self, records: Mapping[str, bytes | None]) -> bool:
        """Takes many records, compiling once. If together they are faulty, each is tried, and the faulty refused."""
        given = {key: _row(value) for key, value in records.items() if value is not None}
        kept = {key: row for key, row in self._rows.items() if key not in records}
        changed = self._replace(self._files, {**kept, **given})
        if self.fault is None or len(records) == 1:
            return changed
        before = self.book.version
        faults: list[Fault] = []
        for key, value in records.items():
            self.put_all({key: value})
            faults += [] if self.fault is None else self.fault.faults
        self.fault = PriceBookError(faults)
        return self.book.version != before

    def _replace(self, files: PriceBook, rows: dict[str, Mapping[str, Any]]) -> bool:
        try:
            book = files.with_rows(rows[key] for key in sorted(rows)) if rows else files
        except PriceBookError as error:
            self.fault = error
            return False
        except Exception as error:
            # A row may hold anything that JSON can: what no check foresaw is refused like what one did.
            self.fault = PriceBookError([Fault(Place("rows", 1), f"the row raises {type(error).__name__}")])
            return False
        changed = book.version != self.book.version
        self._files, self._rows, self.book, self.fault = files, rows, book, None
        return changed


def _row(value: bytes) -> Mapping[str, Any]:
    """The row of a record; a row without anything, which no book takes, for what is not one."""
    try:
        row = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _signature(directory: Path) -> _Signature:
    """Name, change time and size of every price file: cheap to take, and different after any edit."""
    found = []
    for file in sorted(directory.rglob("*.toml")):
        status = file.stat()
        found.append((file.as_posix(), status.st_mtime_ns, status.st_size))
    return tuple(found)
