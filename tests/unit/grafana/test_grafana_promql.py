"""The Pipeline board queries metrics of docs/metrics.md by labels that they have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.gate.statements import boards, name_of

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \| (?P<labels>[^|]*)\|", re.MULTILINE)
METRICS = {match["name"]: match for match in ROW.finditer(PAGE.read_text())}
TARGETS = {
    f"{panel['title']} {target['refId']}": target
    for board in boards()
    if name_of(board) == "pipeline"
    for panel in board["panels"]
    for target in panel.get("targets", ())
}


def metric(name: str) -> str:
    """Return the metric of a series name."""
    stem = re.sub(r"_(bucket|sum|count)$", "", name)
    return stem if stem in METRICS and METRICS[stem]["kind"] == "histogram" else name


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_expressions_name_metrics_and_labels_of_the_page(target: dict[str, str]) -> None:
    names = {metric(name) for name in re.findall(r"\bspendmeter_\w+", target["expr"])}
    assert names
    assert names <= set(METRICS)
    labels = {label for name in names for label in re.findall(r"\w+", METRICS[name]["labels"])} | {"le"}
    grouped = {label for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in re.findall(r"\w+", group)}
    matched = set(re.findall(r"[{,]\s*(\w+)\s*[=!]", target["expr"]))
    shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    assert grouped | matched <= labels
    assert shown <= (grouped or labels)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_counters_are_read_as_rates(target: dict[str, str]) -> None:
    for name in re.findall(r"\bspendmeter_\w+", target["expr"]):
        if METRICS[metric(name)]["kind"] in ("counter", "histogram"):
            assert re.search(rf"(rate|increase)\({name}(\{{[^}}]*\}})?\[\$__rate_interval\]", target["expr"])
