"""Heatmap: usage by weekday and hour, in the time zone of the time picker."""

from __future__ import annotations

from grafana.build import sql
from grafana.build.board import board
from grafana.build.panels import Json, panel, rows
from grafana.build.usage import usage
from grafana.build.variables import standard

from spendmeter_events.usage_units import TOKENS

_WEEK = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def build() -> Json:
    """Return the board: one grid each for calls, cost and tokens."""
    panels = [
        _grid("Calls", "Number of calls", "sum(usage.requests)", ("requests",)),
        _grid("Cost", "Cost in the chosen currency", sql.money("cost"), ("cost",)),
        _grid("Tokens", "All tokens", sql.tokens(), TOKENS),
    ]
    return board(
        "heatmap",
        "Heatmap",
        "Usage by weekday (from Sunday) and hour, in the time zone of the time picker.",
        panels,
        variables=standard(),
    )


def statement(value: str, measures: tuple[str, ...]) -> str:
    """24 rows by 7 columns; NULL where there was no usage."""
    # Rows must not straddle a `step`; hours have the same name in every week.
    day, hour = "toDayOfWeek(usage.bucket, 3, zone)", "toHour(usage.bucket, zone)"
    cells = sql.select(
        [f"{day} AS weekday", f"{hour} AS hour", f"{value} AS value", "sum(usage.requests) AS calls"],
        usage((), tuple(dict.fromkeys((*measures, "requests"))), stepped=True),
        "GROUP BY weekday, hour\nHAVING calls > 0",
        step="'hour'",
    )
    # ClickHouse counts from Sunday 1 in mode 3.
    columns = [f'maxOrNullIf(value, weekday = {number}) AS "{name}"' for number, name in enumerate(_WEEK, 1)]
    shown = ", ".join(["leftPad(toString(hour), 2, '0') AS \"Hour\"", *columns])
    return f"SELECT {shown}\nFROM (\n{cells}\n)\nGROUP BY hour\nORDER BY hour"


def _grid(title: str, what: str, value: str, measures: tuple[str, ...]) -> Json:
    return panel(
        "table",
        f"{title} by weekday and hour",
        f"{what} over the whole range; a deeper colour means more. Empty: no usage in that hour.",
        [rows(statement(value, measures))],
        size=(24, 24),
        defaults={
            "custom": {
                "align": "center",
                "cellOptions": {"type": "color-background", "mode": "basic"},
                "inspect": False,
            },
            "color": {"mode": "continuous-BlPu"},
        },
        overrides=[
            {
                "matcher": {"id": "byName", "options": "Hour"},
                "properties": [
                    {"id": "custom.cellOptions", "value": {"type": "auto"}},
                    {"id": "custom.width", "value": 70},
                ],
            }
        ],
        options={"showHeader": True, "cellHeight": "sm", "frameIndex": 0},
    )
