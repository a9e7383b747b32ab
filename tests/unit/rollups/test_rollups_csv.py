"""Cells of a CSV file: exact, and never a formula (row 21)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spendmeter_rollups.export.csv_text import csv_text

FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "⁼")  # noqa: RUF001 - these very characters
HIDDEN = ("", " ", "  ", "\xa0", "\u200b", "\ufeff", "\u3000", "\u202e", '"', "'", "“", ' "\xa0', "\x00", "\x01")
SEPARATORS = (";", "|", "\t", "\r", "\n", "\x0b", "\u2028")
RUNS = "HYPERLINK(A1)"


def written(text: str) -> str:
    """Return the cell as a reader of the file parses it."""
    ((cell,),) = csv.reader(io.StringIO(csv_text([[text]]), newline=""))
    return cell


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("begin", FORMULAS)
def test_text_that_a_spreadsheet_would_run_is_shown_instead(begin: str, hidden: str) -> None:
    """Row L9: each form of the sign, after any prefix that a spreadsheet removes."""
    text = f"{hidden}{begin}{RUNS}"
    assert written(text) == f"'{text}"


@pytest.mark.parametrize("text", ["\tplain", "\rplain", "\nplain"])
def test_text_that_begins_with_a_line_end_or_a_tab_is_shown(text: str) -> None:
    assert written(text) == f"'{text}"


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("begin", FORMULAS)
def test_a_file_opened_with_another_separator_runs_nothing(begin: str, separator: str, hidden: str) -> None:
    """Row L9: the text after any separator is a separate cell in some locale."""
    text = f"school{separator}{hidden}{begin}{RUNS}"
    assert written(text) == f"school{separator}'{hidden}{begin}{RUNS}"


def test_a_long_run_of_separators_costs_little() -> None:
    """The pattern has a bounded look-ahead, so 10,000 such cells take little time."""
    assert len(csv_text([["\n" * 500]] * 10_000)) > 5_000_000


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), min_size=2))
def test_any_other_text_comes_back_as_it_was(cells: list[str]) -> None:
    (back,) = csv.reader(io.StringIO(csv_text([cells]), newline=""))
    for cell, read in zip(cells, back, strict=True):
        assert read.replace("'", "") == cell.replace("'", "")
        if not set(cell) & {*FORMULAS, *"﹢﹣﹫⁺⁻₌₊₋", "\t", "\r", "\n"}:
            assert read == cell


def test_numbers_keep_their_sign_and_all_their_digits() -> None:
    moment = datetime(2026, 11, 22, 9, tzinfo=UTC)
    row = [Decimal("-0.000000000001"), -3, None, True, moment, Decimal("1E+3")]
    assert csv_text([row]) == "-0.000000000001,-3,,true,2026-11-22T09:00:00+00:00,1000\r\n"
