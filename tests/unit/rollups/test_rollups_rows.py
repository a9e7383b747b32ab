"""Every row of the feature table that the query service serves has a test that cites it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
SERVED = [*map(str, (*range(2, 18), *range(20, 24))), "B5"]
_CITED = re.compile(r'"""[^"]*?\b[Rr]ows? ((?:B?\d+(?:, | and )?)+)')


def cited() -> dict[str, set[str]]:
    """Return row → the files that cite it in a docstring."""
    found: dict[str, set[str]] = {}
    for path in [*TESTS.glob("integration/rollups/test_rollups_*.py"), *TESTS.glob("unit/rollups/test_rollups_*.py")]:
        for rows in _CITED.findall(path.read_text()):
            for row in re.findall(r"B?\d+", rows):
                found.setdefault(row, set()).add(path.name)
    return found


@pytest.mark.parametrize("row", SERVED)
def test_a_test_cites_the_row(row: str) -> None:
    assert cited().get(row), f"no test of the query service cites row {row}"
