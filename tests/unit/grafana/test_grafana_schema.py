"""Boards match the JSON schema of `@grafana/schema`, and units those of `@grafana/data`."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, ValidationError

from tests.gate.statements import boards, name_of

FIXTURES = Path(__file__).parents[2] / "support" / "grafana_schema"
SCHEMA = json.loads((FIXTURES / "board.schema.json").read_text())
CUSTOMS = json.loads((FIXTURES / "customs.schema.json").read_text())["properties"]
UNITS = frozenset((FIXTURES / "units.txt").read_text().split())
PREFIXES = ("time:", "suffix:", "prefix:", "si:", "count:")
"""Units with an argument, as `getValueFormat` reads them."""

Json = dict[str, Any]
BOARDS = {name_of(board): board for board in boards()}
each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


def faults(board: Json) -> list[str]:
    """Return the violations of the schema; a panel is checked by the schema of its type."""
    return [
        f"{'.'.join(map(str, leaf.absolute_path))}: {leaf.message}"
        for error in Draft7Validator(SCHEMA).iter_errors(board)
        for leaf in _leaves(error)
    ]


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    if error.validator != "anyOf":
        yield error
        return
    branches: dict[Any, list[ValidationError]] = {}
    for found in error.context or ():
        branches.setdefault(found.schema_path[0], []).append(found)
    right_kind = [branch for branch in branches.values() if not any(_is_kind(found) for found in branch)]
    for found in min(right_kind or branches.values(), key=len):
        yield from _leaves(found)


def _is_kind(error: ValidationError) -> bool:
    return error.validator == "const" and error.absolute_path[-1] == "type"


def shown(board: Json) -> list[Json]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def properties(panel: Json) -> Iterator[tuple[str, Any]]:
    for override in panel["fieldConfig"]["overrides"]:
        for found in override["properties"]:
            yield found["id"], found.get("value")


@each_board
def test_boards_are_what_grafana_takes(board: Json) -> None:
    assert faults(board) == []


@each_board
def test_units_are_valid_in_grafana(board: Json) -> None:
    used = {panel["fieldConfig"]["defaults"]["unit"] for panel in shown(board)}
    used |= {value for panel in shown(board) for name, value in properties(panel) if name == "unit"}
    assert {unit for unit in used if unit not in UNITS and not unit.startswith(PREFIXES)} == set()


@each_board
def test_overrides_set_properties_that_their_kind_of_panel_has(board: Json) -> None:
    field = {"unit", "min", "max", "decimals", "displayName", "noValue", "color", "mappings", "thresholds", "links"}
    for panel in shown(board):
        custom = CUSTOMS.get(panel["type"], {"properties": {}})
        for name, value in properties(panel):
            if not name.startswith("custom."):
                assert name in field, (panel["title"], name)
                continue
            assert name.removeprefix("custom.") in custom["properties"], (panel["title"], name)
            assert Draft7Validator(custom).is_valid({name.removeprefix("custom."): value}), (panel["title"], name)


def broken(change: Callable[[Json], object]) -> list[str]:
    board = copy.deepcopy(BOARDS["overview"])
    change(board)
    return faults(board)


@pytest.mark.parametrize(
    "change",
    [
        lambda board: board.update(titel="Overview"),
        lambda board: board.update(schemaVersion="42"),
        lambda board: shown(board)[0].update(type="graph"),
        lambda board: shown(board)[0]["options"].update(colourMode="value"),
        lambda board: shown(board)[0]["options"].pop("textMode"),
        lambda board: shown(board)[0]["fieldConfig"]["defaults"].update(units="short"),
        lambda board: shown(board)[0]["gridPos"].update(w="24"),
        lambda board: board["templating"]["list"][0].update(type="query2"),
    ],
)
def test_a_misspelt_board_is_seen(change: Callable[[Json], object]) -> None:
    assert broken(change)
