"""Rows of cells as CSV text that a spreadsheet shows and never runs (features row 21)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from spendmeter_rollups.money import plain

_RUNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula, or strips to get at one (OWASP, CSV Injection)."""


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """RFC 4180 text of `rows`. None is an empty cell, a moment is ISO 8601, an amount has all its digits."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        # An apostrophe makes a spreadsheet show the rest as it is. Numbers below zero are no text, and stay numbers.
        return f"'{value}" if value.startswith(_RUNS) else value
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else value
