"""Classes and sections: student usage. Calls of teachers belong to no class."""

from __future__ import annotations

from grafana.build import sql
from grafana.build.board import board
from grafana.build.breakdown import breakdown, shown, to
from grafana.build.panels import Json, over_time, series
from grafana.build.variables import standard

from spendmeter_rollups.catalogue.dimensions import STUDENT_ROLE

_STUDENTS = {"role": (STUDENT_ROLE,)}
_NONE = "No student usage in this range with these filters"


def build() -> Json:
    """Return the board: cost by class over time, and both tables."""
    label = f"concat({sql.org_name()}, ' · ', {sql.shown('usage.class_name')})"
    panels = [
        over_time(
            "Cost by class",
            "Student usage only. The ten most expensive classes of the range; the rest as other.",
            [series(sql.by(label, sql.drawn("cost"), ("org_id", "class_name"), ("cost",), narrowed=_STUDENTS))],
            empty=_NONE,
        ),
        _table("Classes", {"Class": "class_name"}),
        _table("Sections", {"Class": "class_name", "Section": "section"}),
    ]
    return board(
        "classes",
        "Classes and sections",
        "Student usage by class and section, as assigned at the time of the call.",
        panels,
        variables=standard(),
    )


def _table(title: str, levels: dict[str, str]) -> Json:
    dimensions = ("org_id", *levels.values())
    names = {"School": sql.org_name(), **{label: sql.shown(f"usage.{column}") for label, column in levels.items()}}
    return shown(
        title,
        "Student usage only. Class and section at the time of the call; a dash if unknown.",
        breakdown(names, dimensions, users="Students", narrowed=_STUDENTS),
        dimensions,
        link={"School": to("Open this school", "overview", "org_id")},
        empty=_NONE,
    )
