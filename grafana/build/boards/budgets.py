"""Budgets: how much of this month's budget is used, and whether it will last."""

from __future__ import annotations

from grafana.build import budgets
from grafana.build.board import board
from grafana.build.links import field, link
from grafana.build.panels import Json, override, rows, stat, table
from grafana.build.variables import standard

_NONE = "No budgets for these schools, users or features"
_NOW = "1h"
"""Time range of the panels: they always cover the current month, whatever relative range is chosen."""
_SHARE = {
    "mode": "absolute",
    "steps": [{"value": None, "color": "green"}, {"value": 0.9, "color": "orange"}, {"value": 1, "color": "red"}],
}


def build() -> Json:
    """Return the board: counts, and a bar per budget."""
    return board(
        "budgets",
        "Budgets",
        "How much of each monthly budget is used, and whether it will last at this pace. Always the current month, in "
        "the time zone of the school.",
        [_figures(), _bars()],
        variables=standard(hidden=("granularity", "role", "provider", "model", "key_source")),
    )


def _figures() -> Json:
    return stat(
        "Budgets",
        "Budgets that match the filters; those used up; those that would be used up before the month ends at the "
        "current pace; and those without an exchange rate for their currency.",
        rows(budgets.figures()),
        size=(24, 4),
        text="value_and_name",
        empty=_NONE,
        time_from=_NOW,
    )


def _bars() -> Json:
    bar = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    thresholds = {"thresholds": _SHARE, "color": {"mode": "thresholds"}}
    return table(
        "Use of this month's budgets",
        "Spend on platform keys since the start of the month in the school's time zone, and the budget. Month at this "
        "pace: spend of the whole month at the current pace. A range in the past shows the month in which it ends.",
        rows(budgets.table()),
        size=(24, 18),
        units={"Used": "percentunit", "Month elapsed": "percentunit"},
        hidden=["org_id_value", "user_id_value", "feature_value"],
        link={
            "Budget": link(
                "Show this spend",
                "overview",
                org=field("org_id_value"),
                user=field("user_id_value"),
                feature=field("feature_value"),
            )
        },
        overrides=[override("Used", custom__cellOptions=bar, min=0, max=1, **thresholds)],
        empty=_NONE,
        time_from=_NOW,
    )
