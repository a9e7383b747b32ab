"""Data links between boards. They carry the time range and the filters."""

from __future__ import annotations

from typing import Any, Final

from spendmeter_clickhouse.catalogue import FILTERS

LOG_FILTERS: Final = {
    "agent": "agent_id",
    "task": "task_id",
    "configuration": "configuration_id",
    "action": "action",
    "service": "service",
}
"""Additional filters of the log: variable → column."""
MAY_BE_EMPTY: Final = frozenset(("role", *LOG_FILTERS.values()))
"""Columns that may be empty. An empty variable means All, so the empty value is shown as `-`."""
CARRIED: Final = ("datasource", "currency", "granularity", *FILTERS)
"""Variables that a link between boards carries."""
SERIES: Final = "__field.labels.name"
"""The name of the series that was clicked."""


def link(title: str, board: str, **values: str) -> dict[str, Any]:
    """A link to `board` with the range and the filters.

    :param values: variable of `board` → the field or label with its value.
    """
    kept = [f"${{{name}:queryparam}}" for name in CARRIED if name not in values]
    given = [f"var-{name}=${{{field}:percentencode}}" for name, field in values.items()]
    return {"title": title, "url": f"/d/spendmeter-{board}?${{__url_time_range}}&{'&'.join([*kept, *given])}"}


def field(name: str) -> str:
    """A column of the row that was clicked."""
    return f"__data.fields.{name}"


def calls() -> dict[str, Any]:
    """Default link of a figure: the calls behind it."""
    return link("Show calls", "log")


def from_pipeline() -> dict[str, Any]:
    """Link from a Prometheus board, which has no filters."""
    return {"title": "Usage in this range", "url": "/d/spendmeter-overview?${__url_time_range}"}
