"""Budgets: how much of this month's is used, and whether the rest will do."""

from __future__ import annotations

from grafana.build import budgets
from grafana.build.board import board
from grafana.build.links import field, link
from grafana.build.panels import Json, override, rows, stat, table
from grafana.build.variables import standard

_NONE = "No budget is set for these schools, people or features"
_NOW = "1h"
"""Panels look at the current month whatever relative range is chosen: this is their own."""
_SHARE = {
    "mode": "absolute",
    "steps": [{"value": None, "color": "green"}, {"value": 0.9, "color": "orange"}, {"value": 1, "color": "red"}],
}


def build() -> Json:
    """The bar of each budget."""
    return board(
        "budgets",
        "Budgets",
        "How much of each monthly budget is used, and whether the rest will do at this pace. The month is always the "
        "current one, in the time zone of the school.",
        [_figures(), _bars()],
        variables=standard(hidden=("granularity", "role", "provider", "model", "key_source")),
    )


def _figures() -> Json:
    return stat(
        "Budgets",
        "How many there are for what is chosen; used up; on the way to be used up before the month ends, if it goes on "
        "as it did; and without a rate for their currency.",
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
        "Spent on the platform's keys since the month began by the school's clock, beside the budget. At this pace: "
        "what the whole month comes to if it goes on as it did. Dates in the past show the month they end in.",
        rows(budgets.table()),
        size=(24, 18),
        units={"Used": "percentunit", "Month gone": "percentunit"},
        hidden=["org_id_value", "user_id_value", "feature_value"],
        link={
            "Budget": link(
                "What it was spent on",
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
