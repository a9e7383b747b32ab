"""Agents, tasks, configurations: which of the things that schools set up spend what, and since when more."""

from __future__ import annotations

from grafana.build import sql
from grafana.build.board import board
from grafana.build.breakdown import breakdown, shown, to_log
from grafana.build.links import SERIES, link
from grafana.build.panels import Json, over_time, series
from grafana.build.variables import standard

_KINDS = (
    ("agent_id", "Agent", "Assistants and agents by their id; a dash for calls outside any."),
    ("task_id", "Task", "Tasks by their id; a dash for calls made outside one."),
    ("configuration_id", "Configuration", "Configurations by their id: model, prompt and settings under one name."),
)


def build() -> Json:
    """Each kind over time, and in a table with its trend."""
    panels = [panel for kind in _KINDS for panel in (_over_time(*kind), _table(*kind))]
    return board(
        "agents",
        "Agents, tasks, configurations",
        "Which agents, tasks and configurations spend what, and how that went over the range.",
        panels,
        variables=standard(),
    )


def _over_time(column: str, label: str, meaning: str) -> Json:
    name = label.lower()
    return over_time(
        f"Cost by {name}",
        f"{meaning} The ten that cost most in the range; the rest together as other.",
        [series(sql.by(sql.shown(f"usage.{column}"), sql.drawn("cost"), (column,), ("cost",)))],
        links=[link(f"Calls of this {name}", "log", **{name: SERIES})],
    )


def _table(column: str, label: str, meaning: str) -> Json:
    return shown(
        f"{label}s",
        f"{meaning} Trend: cost over the range, each row by its own highest bar.",
        breakdown({label: sql.shown(f"usage.{column}")}, (column,), trend=True),
        (column,),
        link={label: to_log(column)},
        size=(24, 10),
    )
