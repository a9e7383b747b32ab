"""Packages import in one direction, so that each can be understood without those above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MAY_IMPORT = {
    "producers/spendmeter_events": set(),
    "clickhouse/spendmeter_clickhouse": {"spendmeter_events"},
    "stream/spendmeter_stream": {"spendmeter_events", "spendmeter_clickhouse"},
    "rollups/spendmeter_rollups": {"spendmeter_events", "spendmeter_clickhouse"},
    "deploy/spendmeter_deploy": {
        "spendmeter_events",
        "spendmeter_clickhouse",
        "spendmeter_stream",
        "spendmeter_rollups",
    },
}
LIGHT = {"aiokafka", "pydantic", "pydantic_core"}


def imported(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_package_imports_only_packages_below_it(room: str) -> None:
    own = Path(room).name
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for file in files:
        rooms = {name for name in imported(file) if name.startswith("spendmeter_")} - {own}
        assert rooms <= MAY_IMPORT[room], f"{file.relative_to(ROOT)} imports {rooms - MAY_IMPORT[room]}"


def test_the_emitters_distribution_stays_light() -> None:
    import sys

    for file in (ROOT / "producers/spendmeter_events").rglob("*.py"):
        foreign = imported(file) - {"spendmeter_events", "__future__"} - set(sys.stdlib_module_names)
        assert foreign <= LIGHT, f"{file.relative_to(ROOT)} imports {foreign - LIGHT}"
