"""Agents, tasks, configurations: cost by agent, task and configuration, with trends."""

from __future__ import annotations

from grafana.build import sql
from grafana.build.board import board
from grafana.build.breakdown import breakdown, shown, to_log
from grafana.build.links import SERIES, link
from grafana.build.panels import Json, over_time, series
from grafana.build.variables import standard

_KINDS = (
    ("agent_id", "Agent", "Assistants and agents by id; a dash for calls outside an agent."),
    ("task_id", "Task", "Tasks by id; a dash for calls outside a task."),
    ("configuration_id", "Configuration", "Configurations by id: a named combination of model, prompt and settings."),
)


def build() -> Json:
    """Return the board: each dimension over time, and as a table with a trend."""
    panels = [panel for kind in _KINDS for panel in (_over_time(*kind), _table(*kind))]
    return board(
        "agents",
        "Agents, tasks, configurations",
        "Cost of agents, tasks and configurations, and its trend over the range.",
        panels,
        variables=standard(),
    )


def _over_time(column: str, label: str, meaning: str) -> Json:
    name = label.lower()
    return over_time(
        f"Cost by {name}",
        f"{meaning} The ten most expensive of the range; the rest as other.",
        [series(sql.by(sql.shown(f"usage.{column}"), sql.drawn("cost"), (column,), ("cost",)))],
        links=[link(f"Calls of this {name}", "log", **{name: SERIES})],
    )


def _table(column: str, label: str, meaning: str) -> Json:
    return shown(
        f"{label}s",
        f"{meaning} Trend: cost over the range, scaled to the maximum of the row.",
        breakdown({label: sql.shown(f"usage.{column}")}, (column,), trend=True),
        (column,),
        link={label: to_log(column)},
        size=(24, 10),
    )
