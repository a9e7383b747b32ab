"""CSV text in which spreadsheets do not execute formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from spendmeter_rollups.catalogue.money import plain

# Characters that start a formula; East Asian editions normalise the full-width and small forms to these.
_BEGINS: Final = "=+\\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋"  # noqa: RUF001 - these very characters
# Characters stripped before a formula is detected: quotes, spaces of any width, control and format characters.
_SKIPPED: Final = "\"'`“”‘’\\s\x00-\x1f\x7f-\x9f\xad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # noqa: RUF001
# Separators: a file may be opened with another separator, which then splits a cell's text.
_SEPARATES: Final = ";|\t\r\n\x0b\x0c\x1c-\x1f\x85\u2028\u2029；｜"  # noqa: RUF001

_UNSAFE_START: Final = re.compile(f"[\t\r\n]|[{_SKIPPED}]*[{_BEGINS}]")
_UNSAFE_INSIDE: Final = re.compile(f"(?<=[{_SEPARATES}])(?=[{_SKIPPED}]{{0,64}}[{_BEGINS}])")
_MARKED: Final = re.compile(f"[{_SEPARATES}]")


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Format `rows` as RFC 4180 text. None becomes an empty cell, a datetime ISO 8601, an amount all its digits."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return _escape(value)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else value


def _escape(text: str) -> str:
    """Insert an apostrophe wherever a spreadsheet would start a formula (OWASP, CSV Injection).

    Negative numbers are not text and stay unchanged.
    """
    if _MARKED.search(text):
        text = _UNSAFE_INSIDE.sub("'", text)
    return f"'{text}" if _UNSAFE_START.match(text) else text
