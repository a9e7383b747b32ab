"""Check the answers that each kind of panel, variable, annotation and alert needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.gate.statements import Statement

_NUMBER: Final = re.compile(r"^(?:U?Int|Float)\d+$")
_TIME: Final = re.compile(r"^DateTime(?:64\(\d)?\b")
_OTHER: Final = ("String", "Date", "Date32", "Bool")
_ONE_NAME: Final = ("barchart", "piechart")


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns by name and ClickHouse type, and rows."""

    names: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Sequence[Any]]

    @property
    def kinds(self) -> list[str]:
        """Return the types without `Nullable` and `LowCardinality`."""
        return [_plain(found) for found in self.types]


def faults(statement: Statement, answer: Answer, *, full: bool) -> list[str]:
    """Return what Grafana cannot show, as text. With `full`, an answer without rows is a fault."""
    names, kinds = list(answer.names), answer.kinds
    found = [f"{name} is {kind}" for name, kind in zip(names, kinds, strict=True) if not _shown(kind)]
    if len(set(names)) != len(names):
        found.append(f"columns share names: {names}")
    if full and not answer.rows and statement.kind != "annotation":
        found.append("no rows")
    if not names:
        return found
    if statement.series:
        found += _series_faults(answer)
    if statement.kind in _ONE_NAME and (kinds[0] != "String" or not any(map(_number, kinds))):
        found.append(f"a {statement.kind} needs a name and numbers, not {kinds}")
    if statement.kind == "alert" and (sum(map(_number, kinds)), kinds.count("String")) != (1, len(kinds) - 1):
        found.append(f"an alert needs exactly one number, and strings for labels, not {kinds}")
    expected = {"variable": (["value", "text"], ["currency"]), "annotation": (["time", "title", "text", "tags"],)}
    if statement.kind in expected and names not in expected[statement.kind]:
        found.append(f"a {statement.kind} needs {expected[statement.kind][0]}, not {names}")
    return found


def _series_faults(answer: Answer) -> list[str]:
    """Check for one ascending time, labels that are strings, and unique (time, labels)."""
    found, kinds = [], answer.kinds
    if answer.names[0] != "time" or sum(bool(_TIME.match(kind)) for kind in kinds) != 1:
        found.append(f"a series begins with its only time, not {list(answer.names)}")
    if not any(map(_number, kinds)):
        found.append("a series needs a number")
    times = [row[0] for row in answer.rows]
    if times != sorted(times):
        found.append("times are not ascending")
    labels = [index for index, kind in enumerate(kinds) if kind == "String"]
    keys = [(row[0], *(row[index] for index in labels)) for row in answer.rows]
    if len(set(keys)) != len(keys):
        found.append("a series has a time twice")
    return found


_NAMED: Final = re.compile(r"\) AS \"?(?P<name>\w+)")
_BUCKETS: Final = re.compile(r"\b(?:toStart\w+|toDate\w*|toMonday|multiIf)\($")


def bucket_aliases(sql: str) -> list[str]:
    """Return the aliases of buckets that are also the name of the column they derive from.

    ClickHouse then takes the alias for the column in WHERE and GROUP BY, and filters buckets where times were meant.
    """
    found = []
    for match in _NAMED.finditer(sql):
        opened = _opening(sql, match.start())
        inside = sql[opened + 1 : match.start()]
        if _BUCKETS.search(sql[: opened + 1]) and re.search(rf"\b{match['name']}\b(?!\()", inside):
            found.append(match["name"])
    return found


def _opening(sql: str, closing: int) -> int:
    """Return the position of the parenthesis that matches `closing`."""
    depth = 0
    for index in range(closing, -1, -1):
        depth += {")": 1, "(": -1}.get(sql[index], 0)
        if depth == 0:
            return index
    raise ValueError(f"unbalanced parentheses before {sql[closing : closing + 40]}")


def _plain(column_type: str) -> str:
    match = re.match(r"^(?:LowCardinality|Nullable)\((.*)\)$", column_type)
    return _plain(match[1]) if match else column_type


def _number(kind: str) -> bool:
    return bool(_NUMBER.match(kind))


def _shown(kind: str) -> bool:
    return _number(kind) or bool(_TIME.match(kind)) or kind in _OTHER
