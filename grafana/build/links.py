"""Data links from board to board: they carry the range and the filters."""

from __future__ import annotations

from typing import Any, Final

from spendmeter_rollups.catalogue.dimensions import FILTERS

LOG_FILTERS: Final = {
    "agent": "agent_id",
    "task": "task_id",
    "configuration": "configuration_id",
    "action": "action",
    "service": "service",
}
"""What the log filters by besides: variable → column."""
MAY_BE_EMPTY: Final = frozenset(("role", *LOG_FILTERS.values()))
"""Columns that hold nothing for some calls. An empty variable means All, so there nothing is called `-`."""
CARRIED: Final = ("datasource", "currency", "granularity", *FILTERS)
"""What a link from one board to another takes along."""
SERIES: Final = "__field.labels.name"
"""The name of the series that was clicked."""


def link(title: str, board: str, **values: str) -> dict[str, Any]:
    """A link to `board` with the range and the filters.

    :param values: variable of `board` → the field or label that holds what it shall be.
    """
    kept = [f"${{{name}:queryparam}}" for name in CARRIED if name not in values]
    given = [f"var-{name}=${{{field}:percentencode}}" for name, field in values.items()]
    return {"title": title, "url": f"/d/spendmeter-{board}?${{__url_time_range}}&{'&'.join([*kept, *given])}"}


def field(name: str) -> str:
    """A column of the row that was clicked."""
    return f"__data.fields.{name}"


def calls() -> dict[str, Any]:
    """What a figure links to where nothing closer is known."""
    return link("The calls behind this", "log")


def from_pipeline() -> dict[str, Any]:
    """From a board of Prometheus, which has no filters."""
    return {"title": "Usage of this time", "url": "/d/spendmeter-overview?${__url_time_range}"}
