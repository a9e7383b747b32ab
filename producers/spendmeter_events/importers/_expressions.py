"""Read a value of a row by an expression: a column, a dotted path into JSON, or a sum or difference of these."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from spendmeter_events.normalize.cells import CellError

Cells = Mapping[str, Any]
Getter = Callable[[Cells], Any]
_OPERATOR: Final = re.compile(r"(\s*[+-]\s*)")


class Expression(NamedTuple):
    """A parsed expression."""

    read: Getter
    """Return the value of a row, None if it has none. Raises `CellError`."""
    terms: Sequence[str]
    """Its columns and paths."""
    subtracted: Collection[str]
    """Those of `terms` that are subtracted."""


class Known(NamedTuple):
    """What the first rows of a file contain."""

    columns: Collection[str]
    paths: Collection[str]
    """Dotted paths of nested keys; empty for CSV, whose cells may be JSON text."""

    def has(self, term: str) -> bool:
        """Return whether `term` is a column, or a path that the first rows do not rule out."""
        if term in self.columns:
            return True
        head, *rest = term.split(".")
        if not rest or head not in self.columns:
            return False
        nested = any(path.startswith(f"{head}.") for path in self.paths)
        return not nested or term in self.paths or any(part.isdigit() for part in rest)


def parse(text: str, known: Known) -> Expression:
    """Parse an expression. The longest text that is a column or a path is read as one, even with operators in it."""
    parts = _OPERATOR.split(text)
    terms: list[str] = []
    signs = ["+"]
    while parts:
        # A term may contain the operators: `request-id`.
        size = next((n for n in range(len(parts), 1, -2) if known.has("".join(parts[:n]))), 1)
        terms.append("".join(parts[:size]))
        signs.extend(each.strip() for each in parts[size : size + 1])
        parts = parts[size + 1 :]
    if len(terms) == 1 or "" in terms:
        return Expression(_getter(text, known), [text], ())
    getters = [(_getter(term, known), -1 if sign == "-" else 1) for term, sign in zip(terms, signs, strict=True)]
    subtracted = [term for term, sign in zip(terms, signs, strict=True) if sign == "-"]
    return Expression(lambda cells: _sum(cells, getters), terms, subtracted)


def paths_of(cells: Cells, prefix: str = "", depth: int = 6) -> Collection[str]:
    """Return the dotted paths of the nested keys of a row."""
    found: dict[str, None] = {}
    for name, cell in cells.items():
        if isinstance(cell, dict) and depth:
            inner = f"{prefix}{name}."
            found.update(dict.fromkeys(inner + key for key in cell))
            found.update(dict.fromkeys(paths_of(cell, inner, depth - 1)))
    return found


def _getter(term: str, known: Known) -> Getter:
    if term in known.columns or "." not in term:
        return lambda cells: cells.get(term)
    head, *rest = term.split(".")
    return lambda cells: _nested(cells.get(head), rest)


def _nested(cell: Any, path: Sequence[str]) -> Any:
    for part in path:
        value = _parsed(cell) if isinstance(cell, str) else cell
        if isinstance(value, dict):
            cell = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            cell = value[int(part)]
        else:
            return None
    return cell


def _parsed(text: str) -> Any:
    """Return the value of JSON text, as CSV exports write nested columns; None for other text."""
    try:
        return from_json(text)
    except ValueError:
        return None


def _sum(cells: Cells, getters: Sequence[tuple[Getter, int]]) -> Any:
    """Return the sum of the values, without those that are empty; None if all are."""
    values = [(get(cells), sign) for get, sign in getters]
    numbers = [_number(value) * sign for value, sign in values if value is not None and value != ""]
    total = sum(numbers, Decimal(0))
    if not numbers:
        return None
    return int(total) if total == total.to_integral_value() else float(total)


def _number(value: Any) -> Decimal:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise CellError("not a number in a sum or difference") from None
    if isinstance(value, bool) or not number.is_finite() or abs(number.adjusted()) > 18:
        raise CellError("not a number in a sum or difference")
    return number
