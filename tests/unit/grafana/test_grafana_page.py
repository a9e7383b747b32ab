"""docs/boards.md: every board with its question, and each requirement with its panels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.gate.statements import boards, name_of, rules

PAGE = (Path(__file__).parents[3] / "docs" / "boards.md").read_text(encoding="utf-8")
ROWS = [*map(str, range(1, 26)), *(f"B{number}" for number in range(1, 6))]
"""Features of the product: 25 required and five more."""
PANELS = {f"{name_of(board)}: {panel['title']}" for board in boards() for panel in board["panels"]}
NOT_ON_A_BOARD = {"21", "23", "24", "B3", "B4"}
BY_THE_BAR = {"3", "4"}
"""Features that are the board's variables and time picker."""


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


FEATURES = dict(re.findall(r"^\| (\w+) \| [^|]+ \| ([^|]+) \|$", section("Requirements and panels"), re.MULTILINE))


def test_every_board_is_there_with_its_question() -> None:
    listed = re.findall(r"^\| \*\*(.+?)\*\* \(`(\w+)`\) \| [^|]+[?)] \|$", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted((board["title"], name_of(board)) for board in boards())


def test_every_row_is_there_once() -> None:
    assert [row for row in FEATURES if row in ROWS] == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_existing_panels_or_the_place_of_its_data(row: str) -> None:
    named = set(re.findall(r"`(\w+: [^`]+)`", FEATURES[row]))
    assert named <= PANELS
    assert bool(named) == (row not in NOT_ON_A_BOARD | BY_THE_BAR)
    assert FEATURES[row].startswith("not on a board") == (row in NOT_ON_A_BOARD)


def test_every_alert_rule_is_there() -> None:
    listed = re.findall(r"^\| ([A-Z][^|]+) \| [^|]+ \|$", section("Alerts over ClickHouse"), re.MULTILINE)
    assert listed == [rule["title"] for rule in rules()]


def test_every_variable_of_the_provisioned_sources_is_explained() -> None:
    files = Path(__file__).parents[3] / "grafana" / "provisioning"
    text = "".join(path.read_text(encoding="utf-8") for path in files.rglob("*.yaml"))
    for name in re.findall(r"\$\{?(SPENDMETER_\w+)", text):
        assert name in PAGE or f"`{name.removeprefix('SPENDMETER_CLICKHOUSE')}`" in PAGE, name
