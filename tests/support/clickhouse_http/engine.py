"""Run statements on chDB, each on its own connection, so that a long statement does not block others."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import chdb

from tests.support.clickhouse_http.errors import ServerError
from tests.support.clickhouse_http.statement import Statement

_NAME: Final = re.compile(r"^\w+$")
_connect: Callable[[str], Any] = chdb.connect


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a statement; `format` is None without a result (DDL, inserts)."""

    body: bytes = b""
    format: str | None = None
    summary: dict[str, str] = field(default_factory=dict)


class Engine:
    """The engine on `folder`; a process can have only one."""

    def __init__(self, folder: Path, *, scratch: Path) -> None:
        self._folder = str(folder)
        self._scratch = scratch
        # The engine stops with its last connection, and a start takes a second.
        self._keeper = _connect(self._folder)
        answer = self._keeper.query("SELECT version(), timezone()", "TabSeparated").bytes().decode()
        self.version, self.timezone = answer.rstrip("\n").split("\t")

    def run(self, statement: Statement) -> Result:
        """Execute `statement` in the calling thread.

        :raises ServerError: ClickHouse rejected the statement, or it failed.
        """
        try:
            with self._connection(statement) as connection:
                if statement.data is not None:
                    return self._insert(connection, statement, statement.data)
                return _query(connection, statement)
        except RuntimeError as error:
            # Connections raise a RuntimeError, not `chdb.ChdbError`, which is a different class.
            raise ServerError.of_engine(error) from error

    def close(self) -> None:
        """Stop the engine when no statement is running."""
        self._keeper.close()

    @contextmanager
    def _connection(self, statement: Statement) -> Iterator[Any]:
        connection = _connect(self._folder)
        try:
            if statement.database:
                connection.query(f"USE `{statement.database}`")
            for name, value in statement.settings.items():
                connection.query(f"SET {_identifier(name)} = {_quoted(value)}")
            if statement.read_only:
                connection.query("SET readonly = 2")
            yield connection
        finally:
            connection.close()

    def _insert(self, connection: Any, statement: Statement, data: bytes) -> Result:
        # Not inline: the engine reads several statements from one text, so inline data would end at its first newline.
        with tempfile.NamedTemporaryFile(dir=self._scratch, suffix=".rows") as rows:
            rows.write(data)
            rows.flush()
            text = f"{statement.text.decode()} FROM INFILE {_quoted(rows.name)} FORMAT {statement.format}"
            answer = connection.query(text, "TabSeparated", params=dict(statement.parameters))
        return Result(summary=_summary(answer))


def _query(connection: Any, statement: Statement) -> Result:
    parameters = dict(statement.parameters)
    if statement.format is not None or statement.default_format != "TabSeparated":
        wanted = statement.format or statement.default_format
        answer = connection.query(statement.text, wanted, params=parameters)
        return Result(answer.bytes() or b"", wanted, _summary(answer))
    # The format with names shows whether there is a result: an empty result has a line of names, DDL has none.
    answer = connection.query(statement.text, "TabSeparatedWithNames", params=parameters)
    names, _, body = (answer.bytes() or b"").partition(b"\n")
    return Result(body, "TabSeparated" if names else None, _summary(answer))


def _summary(answer: Any) -> dict[str, str]:
    return {
        "read_rows": str(answer.storage_rows_read()),
        "read_bytes": str(answer.storage_bytes_read()),
        "written_rows": str(answer.rows_written()),
        "written_bytes": str(answer.bytes_written()),
        "total_rows_to_read": "0",
        "result_rows": str(answer.rows_read()),
        "result_bytes": str(answer.bytes_read()),
        "elapsed_ns": str(int(answer.elapsed() * 1e9)),
    }


def _identifier(name: str) -> str:
    if not _NAME.match(name):
        raise ServerError(code=115, message=f"Code: 115. DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)")
    return name


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
