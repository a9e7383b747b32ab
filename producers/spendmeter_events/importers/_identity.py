"""Derive the id of an imported event from its row, so that a repeated import does not count a call twice."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from spendmeter_events.importers._errors import UnreadableFile

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_A = (1 << 12) - 1
_RANDOM_B = (1 << 62) - 1
_CACHE_KIB: Final = 64 * 1024
"""About two million rows; SQLite writes further ones to a temporary file."""


def derived_id(occurred_at: datetime, digest: bytes, namespace: str = "") -> UUID:
    """Return a UUIDv7: 48 bits of Unix milliseconds, so that look-ups by time stay local; then `digest` (SHA-256).

    A `namespace` yields different ids for the same digest.
    """
    if namespace:
        digest = hashlib.sha256(namespace.encode() + b"\0" + digest).digest()
    milliseconds = max(0, (occurred_at - _EPOCH) // _MILLISECOND)
    rest = int.from_bytes(digest[:10])
    return UUID(int=milliseconds << 80 | 7 << 76 | (rest >> 62 & _RANDOM_A) << 64 | 2 << 62 | rest & _RANDOM_B)


def digest_of(values: Iterable[Any]) -> bytes:
    """Return the SHA-256 of JSON values, independent of the order of keys."""
    return hashlib.sha256(json.dumps(list(values), sort_keys=True, separators=(",", ":")).encode()).digest()


class RowIds:
    """Rows read from one file: the number of copies of each row, and the content of each id of `--id-from`.

    Stored in a temporary SQLite database, so that memory does not grow with the file.
    """

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for statement in (
            f"PRAGMA cache_size = -{_CACHE_KIB}",
            "PRAGMA journal_mode = OFF",
            "CREATE TABLE seen (digest BLOB PRIMARY KEY, copies INTEGER) WITHOUT ROWID",
            "CREATE TABLE ids (digest BLOB PRIMARY KEY, content BLOB, line INTEGER) WITHOUT ROWID",
            "BEGIN",
        ):
            self._rows.execute(statement)

    def close(self) -> None:
        """Remove the temporary database."""
        self._rows.close()

    def of_content(self, content: bytes) -> bytes:
        """Return the digest of a row: of its content, and of its ordinal among equal rows of the file.

        :raises UnreadableFile: no space for the temporary file.
        """
        if self.is_new(content):
            return content
        self._run("UPDATE seen SET copies = copies + 1 WHERE digest = ?", content)
        ((copies,),) = self._run("SELECT copies FROM seen WHERE digest = ?", content).fetchall()
        return hashlib.sha256(content + copies.to_bytes(8)).digest()

    def is_new(self, key: bytes) -> bool:
        """Record `key`, and return whether it is new.

        :raises UnreadableFile: no space for the temporary file.
        """
        return self._run("INSERT OR IGNORE INTO seen VALUES (?, 1)", key).rowcount > 0

    def line_of_other_content(self, digest: bytes, content: bytes, line: int) -> int | None:
        """Return the line that has the id of `digest` but different content, else None.

        :raises UnreadableFile: no space for the temporary file.
        """
        if self._run("INSERT OR IGNORE INTO ids VALUES (?, ?, ?)", digest, content, line).rowcount:
            return None
        ((known, first),) = self._run("SELECT content, line FROM ids WHERE digest = ?", digest).fetchall()
        return None if known == content else int(first)

    def _run(self, sql: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._rows.execute(sql, values)
        except sqlite3.Error as error:
            raise UnreadableFile(
                f"cannot store row digests ({error}): set SQLITE_TMPDIR to a folder with free space"
            ) from error
