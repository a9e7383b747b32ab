"""Features and actions: cost by feature, action and service."""

from __future__ import annotations

from grafana.build import sql
from grafana.build.board import board, new_prices, row
from grafana.build.breakdown import breakdown, shown, to, to_log
from grafana.build.links import SERIES, link
from grafana.build.panels import Json, donut, over_time, rows, series
from grafana.build.usage import usage
from grafana.build.variables import standard


def build() -> Json:
    """Return the board: features, the actions inside them, and services."""
    panels = [
        row("Features"),
        over_time(
            "Cost by feature",
            "The ten most expensive features of the range; the rest as other. Click to list the calls.",
            [series(sql.by("usage.feature", sql.drawn("cost"), ("feature",), ("cost",)))],
            links=[link("Calls of this feature", "log", feature=SERIES)],
        ),
        shown(
            "Features",
            "Every feature with usage in the range. Click errors to open the Errors board.",
            breakdown({"Feature": "usage.feature"}, ("feature",), users="Users"),
            ("feature",),
            link={
                "Feature": to("Users of this feature", "users", "feature"),
                "Errors": to("Its errors", "errors", "feature"),
            },
            size=(24, 12),
        ),
        row("Actions"),
        *_split("action", "Action", "the purpose of a call: an answer, a guardrail, a title, a lookup, an index"),
        row("Services"),
        *_split("service", "Service", "the type of service: chat, embedding, vision, image, speech, transcription"),
    ]
    return board(
        "features",
        "Features and actions",
        "Cost by feature, action and type of service.",
        panels,
        variables=standard(),
        annotations=[new_prices()],
    )


def _split(column: str, label: str, meaning: str) -> list[Json]:
    name = sql.shown(f"usage.{column}")
    columns = [f"{name} AS name", sql.drawn("cost")]
    tail = f"GROUP BY usage.{column}\nORDER BY sum(usage.cost) DESC"
    return [
        over_time(
            f"Cost by {label.lower()}",
            f"{label}: {meaning}.",
            [series(sql.by(name, sql.drawn("cost"), (column,), ("cost",)))],
            links=[link(f"Calls of this {label.lower()}", "log", **{column: SERIES})],
            size=(16, 9),
        ),
        donut(
            f"Share of cost by {label.lower()}",
            "Share of the cost of the range.",
            rows(sql.select(columns, usage((column,), ("cost",)), tail)),
        ),
        shown(
            f"{label}s",
            f"{label}: {meaning}.",
            breakdown({label: name}, (column,)),
            (column,),
            link={label: to_log(column)},
            size=(24, 8),
        ),
    ]
