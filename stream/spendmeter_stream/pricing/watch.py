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
    """The price book in force: the files, and every row of the topic that is valid with the others.

    Invalid files leave the earlier files in force. An invalid row is left out until another change makes it valid, so
    the book follows from files and rows alone, independent of the order in which they arrived.
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
        self.rejected: Mapping[str, PriceBookError] = {}
        """Key of each row that is not in force, and why."""
        self.fault: PriceBookError | None = None
        """Why the last change of the files, or any row, is not in force; None if everything is."""

    def poll(self) -> bool:
        """Reload the files if one changed. Return True if another book is in force."""
        signature = _signature(self._directory)
        if signature == self._signature:
            return False
        self._signature = signature
        try:
            self._files = PriceBook.load(self._directory)
        except PriceBookError as error:
            self.fault = error
            return False
        return self._compile()

    def put(self, key: str, row: Row | None) -> bool:
        """Apply one record of the topic: the newest row of its key, or None to remove it.

        Return True if another book is in force.
        """
        return self.put_all({key: row})

    def put_all(self, records: Mapping[str, Row | None]) -> bool:
        """Apply many records with one compilation."""
        rows = {**self._rows, **records}
        self._rows = {key: row for key, row in sorted(rows.items()) if row is not None}
        return self._compile()

    @property
    def rows(self) -> Mapping[str, Row]:
        """The rows of the topic by key, rejected ones included."""
        return self._rows

    def with_record(self, key: str, row: Row | None) -> tuple[PriceBook, Mapping[str, PriceBookError]]:
        """Return the book with one more record of the topic, and the rows rejected because of it, by key.

        Nothing is put in force.
        """
        rows = {**self._rows, key: row}
        book, rejected = _book_of(self._files, {name: each for name, each in sorted(rows.items()) if each is not None})
        return book, {name: fault for name, fault in rejected.items() if name == key or name not in self.rejected}

    def _compile(self) -> bool:
        before = self.book.version
        self.book, self.rejected = _book_of(self._files, self._rows)
        faults = [fault for error in self.rejected.values() for fault in error.faults]
        self.fault = PriceBookError(faults) if faults else None
        return self.book.version != before


def _book_of(files: PriceBook, rows: Mapping[str, Row]) -> tuple[PriceBook, dict[str, PriceBookError]]:
    """Return the book of the files and all valid rows, and the fault of each rejected row.

    Of the rows with a fault, the first is rejected; without it, the others may be valid.
    """
    left, rejected = dict(rows), dict[str, PriceBookError]()
    while left:
        try:
            return files.with_rows(left.values(), keys=left), rejected
        except PriceBookError as error:
            key = error.faults[0].place.file
            rejected[key] = PriceBookError([fault for fault in error.faults if fault.place.file == key])
        except Exception as error:
            # A row may be any JSON value: an exception that no check anticipated rejects the row as well.
            key = next((key for key, row in left.items() if _raises(files, row)), next(iter(left)))
            rejected[key] = PriceBookError([BookFault(Place(key, 0), f"the row raises {type(error).__name__}")])
        del left[key]
    return files, rejected


def _raises(files: PriceBook, row: Row) -> bool:
    """Return whether an unexpected exception is due to this row alone."""
    try:
        files.with_rows([row])
    except PriceBookError:
        return False
    except Exception:
        return True
    else:
        return False


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
