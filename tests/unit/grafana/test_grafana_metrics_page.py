"""docs/metrics.md lists exactly the exported metrics, with kind and labels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from spendmeter_rollups.collect.metrics import CollectorMetrics
from spendmeter_rollups.http.metrics import ServiceMetrics
from spendmeter_stream import metrics as worker
from spendmeter_stream.guard import metrics as guard

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \| (?P<labels>[^|]*)\| (?P<says>[^|]+) \|$", re.MULTILINE)

Table = dict[str, tuple[str, tuple[str, ...]]]
"""Exported name → kind and labels."""


def documented(section: str) -> Table:
    """Return the table under the heading `section`."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    rows = [match.groupdict() for match in ROW.finditer(text)]
    return {row["name"]: (row["kind"], tuple(filter(None, re.split(r"[, ]+", row["labels"])))) for row in rows}


def exported(values: Iterable[object]) -> Table:
    """Return the metrics among `values`."""
    found: Table = {}
    for value in values:
        if isinstance(value, MetricWrapperBase):
            (described,) = value.describe()
            name = described.name + ("_total" if described.type == "counter" else "")
            # prometheus_client shows label names in samples only, and there are none yet.
            found[name] = (described.type, tuple(value._labelnames))  # noqa: SLF001
    return found


def test_the_workers_metrics_are_those_of_the_page() -> None:
    assert exported(vars(worker).values()) == documented("Worker")


def test_the_query_services_metrics_are_those_of_the_page() -> None:
    metrics = ServiceMetrics(CollectorRegistry())
    assert exported(vars(metrics).values()) == documented("Query service")


def test_the_collectors_metrics_are_those_of_the_page() -> None:
    metrics = CollectorMetrics(CollectorRegistry())
    assert exported(vars(metrics).values()) == documented("Collector")


def test_the_guards_metrics_are_those_of_the_page() -> None:
    assert exported(vars(guard).values()) == documented("Spend guard")


def test_no_metric_is_described_twice() -> None:
    names = [match["name"] for match in ROW.finditer(PAGE.read_text())]
    assert len(names) == len(set(names))
