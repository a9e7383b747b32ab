"""Reload the price book when its files or its topic change, without a restart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spendmeter_stream.pricing.book.price_book import PriceBook, packaged_directory
from spendmeter_stream.pricing.book.rows import BookFault, Place, PriceBookError

Row = Mapping[str, Any]
"""One price, as a block of a price file contains it."""
_Signature = tuple[tuple[str, int, int], ...]


class PriceBookWatcher:
    """The price book in force. `poll` and `put` replace it as a whole; an invalid change leaves the old one.

    Rows are dated, so events in flight keep the price in force when they occurred.
    Not thread-safe: one task calls `poll` and `put`; others may read `book`.
    """

    def __init__(self, *, directory: Path | None = None) -> None:
        """Load the files. Raises `PriceBookError` if they are invalid: a worker must not start without prices."""
        self._directory = directory or packaged_directory()
        self._signature = _signature(self._directory)
        self._files = PriceBook.load(self._directory)
        self._rows: dict[str, Row] = {}
        self.book = self._files
        self.fault: PriceBookError | None = None
        """Reason why the last change was rejected; None after a successful change."""

    def poll(self) -> bool:
        """Reload the files if one changed. Return True if another book is in force."""
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

    def put(self, key: str, row: Row | None) -> bool:
        """Apply one record of the topic: the newest row of its key, or None to remove it.

        Return True if another book is in force.
        """
        return self.put_all({key: row})

    def put_all(self, records: Mapping[str, Row | None]) -> bool:
        """Apply many records with one compilation. If that fails, apply each alone and reject the invalid ones."""
        put = {key: row for key, row in records.items() if row is not None}
        unchanged = {key: row for key, row in self._rows.items() if key not in records}
        changed = self._replace(self._files, {**unchanged, **put})
        if self.fault is None or len(records) == 1:
            return changed
        before = self.book.version
        faults: list[BookFault] = []
        for key, row in records.items():
            self.put(key, row)
            faults += [] if self.fault is None else self.fault.faults
        self.fault = PriceBookError(faults)
        return self.book.version != before

    def _replace(self, files: PriceBook, rows: dict[str, Row]) -> bool:
        try:
            book = files.with_rows(rows[key] for key in sorted(rows)) if rows else files
        except PriceBookError as error:
            self.fault = error
            return False
        except Exception as error:
            # A row may be any JSON value: an exception that no check anticipated rejects the row as well.
            self.fault = PriceBookError([BookFault(Place("rows", 1), f"the row raises {type(error).__name__}")])
            return False
        changed = book.version != self.book.version
        self._files, self._rows, self.book, self.fault = files, rows, book, None
        return changed


def parse_row(value: bytes | None) -> Row | None:
    """Return the row of a record; None if the record removes it.

    :raises ValueError: the record is not a JSON object. :raises RecursionError: it has 10,000 nested brackets.
    """
    if value is None:
        return None
    row = json.loads(value)
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    return row


def _signature(directory: Path) -> _Signature:
    """Return name, modification time and size of every price file, to detect edits cheaply."""
    found = []
    for file in sorted(directory.rglob("*.toml")):
        status = file.stat()
        found.append((file.as_posix(), status.st_mtime_ns, status.st_size))
    return tuple(found)
