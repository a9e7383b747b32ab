"""Every ClickHouse statement in `grafana/`, with its place and the variables of its board."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.gate.macros import Value

GRAFANA: Final = Path(__file__).parents[2] / "grafana"
ALERTS: Final = "alerts"
"""Board of alert rules in the gate's table."""
_CLICKHOUSE: Final = "grafana-clickhouse-datasource"
_TIME_SERIES: Final = 0


@dataclass(frozen=True, slots=True)
class Variable:
    """A board's variable: whether it is multi-value, and its default."""

    name: str
    several: bool
    current: Value


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `kind` is the panel's type, `variable`, `annotation` or `alert`."""

    board: str
    place: str
    kind: str
    sql: str
    series: bool = False
    variables: tuple[Variable, ...] = ()
    range_seconds: int = 0
    """Range of an alert."""


def boards() -> list[dict[str, Any]]:
    """Return the dashboards as Grafana reads them."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((GRAFANA / "dashboards").glob("*.json"))]


def rules() -> list[dict[str, Any]]:
    """Return the alert rules as Grafana reads them."""
    files = sorted((GRAFANA / "provisioning" / "alerting").glob("*.yaml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text(encoding="utf-8")).get("groups", ())]
    return [rule for group in groups for rule in group["rules"]]


def statements() -> list[Statement]:
    """Return all statements, board by board, the alert rules last."""
    found = [statement for board in boards() for statement in _of_board(board)]
    return [*found, *(statement for rule in rules() for statement in _of_rule(rule))]


def name_of(board: dict[str, Any]) -> str:
    """Return a board's name in the table."""
    return str(board["uid"]).removeprefix("spendmeter-")


def _of_board(board: dict[str, Any]) -> Iterator[Statement]:
    uid = name_of(board)
    variables = tuple(_variable(found) for found in board["templating"]["list"])
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            if "rawSql" in target:
                place, series = f"{panel['title']} {target['refId']}", target["format"] == _TIME_SERIES
                yield Statement(uid, place, panel["type"], target["rawSql"], series, variables)
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield Statement(uid, variable["name"], "variable", variable["query"], False, variables)
    for annotation in board["annotations"]["list"]:
        yield Statement(uid, annotation["name"], "annotation", annotation["target"]["rawSql"], False, variables)


def _variable(found: dict[str, Any]) -> Variable:
    return Variable(found["name"], bool(found.get("multi")), found.get("current", {}).get("value", ""))


def _of_rule(rule: dict[str, Any]) -> Iterator[Statement]:
    for query in rule["data"]:
        if "rawSql" in query["model"]:
            seconds = query["relativeTimeRange"]["from"]
            yield Statement(ALERTS, rule["title"], "alert", query["model"]["rawSql"], range_seconds=seconds)
