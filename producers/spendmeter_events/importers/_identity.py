"""The id of an imported event: derived from its own row, so that importing a call again counts nothing twice."""

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
"""About two million rows; what is more, SQLite moves into a temporary file."""


def derived_id(occurred_at: datetime, digest: bytes, namespace: str = "") -> UUID:
    """A version 7 id: 48 bits of Unix milliseconds, so that look-ups by time stay local; then `digest` (SHA-256).

    A `namespace` makes other ids of the same digest.
    """
    if namespace:
        digest = hashlib.sha256(namespace.encode() + b"\0" + digest).digest()
    milliseconds = max(0, (occurred_at - _EPOCH) // _MILLISECOND)
    rest = int.from_bytes(digest[:10])
    return UUID(int=milliseconds << 80 | 7 << 76 | (rest >> 62 & _RANDOM_A) << 64 | 2 << 62 | rest & _RANDOM_B)


def digest_of(values: Iterable[Any]) -> bytes:
    """SHA-256 of JSON values, whatever the order of the keys inside them."""
    return hashlib.sha256(json.dumps(list(values), sort_keys=True, separators=(",", ":")).encode()).digest()


class RowIds:
    """What was read of one file so far: how often each row came, and which content each id of `--id-from` had.

    In SQLite's private temporary database, so that memory does not grow with the file.
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
        """The digest of a row by its content and its number among equal rows of the file, whatever lies between them.

        :raises UnreadableFile: no room for the temporary file.
        """
        new = self._run("INSERT OR IGNORE INTO seen VALUES (?, 1)", content).rowcount
        if new:
            return content
        self._run("UPDATE seen SET copies = copies + 1 WHERE digest = ?", content)
        ((copies,),) = self._run("SELECT copies FROM seen WHERE digest = ?", content).fetchall()
        return hashlib.sha256(content + copies.to_bytes(8)).digest()

    def line_of_other_content(self, digest: bytes, content: bytes, line: int) -> int | None:
        """The line that had the id of `digest` with other content than this; None where there is none.

        :raises UnreadableFile: no room for the temporary file.
        """
        if self._run("INSERT OR IGNORE INTO ids VALUES (?, ?, ?)", digest, content, line).rowcount:
            return None
        ((before, first),) = self._run("SELECT content, line FROM ids WHERE digest = ?", digest).fetchall()
        return None if before == content else int(first)

    def _run(self, sql: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._rows.execute(sql, values)
        except sqlite3.Error as error:
            raise UnreadableFile(
                f"no room to remember its rows ({error}): set SQLITE_TMPDIR to a folder with room"
            ) from error
