"""Schools and orgs: cost by school and by role."""

from __future__ import annotations

from grafana.build import sql
from grafana.build.board import board, new_prices
from grafana.build.breakdown import breakdown, shown, to
from grafana.build.links import SERIES, link
from grafana.build.panels import Json, donut, over_time, rows, series
from grafana.build.usage import usage
from grafana.build.variables import standard


def build() -> Json:
    """Return the board: tables with totals, and cost over time."""
    by_name = sql.by(sql.org_name(), sql.drawn("cost"), ("org_id",), ("cost",))
    panels = [
        over_time(
            "Cost by school",
            "The ten most expensive schools of the range; the rest as other.",
            [series(by_name)],
        ),
        _schools(),
        over_time(
            "Cost by role over time",
            "Cost by role. Click to list the users of the role.",
            [series(sql.by(sql.shown("usage.role"), sql.drawn("cost"), ("role",), ("cost",)))],
            links=[link("Users of this role", "users", role=SERIES)],
        ),
        _roles(),
        _share_of_roles(),
    ]
    return board(
        "orgs",
        "Schools and orgs",
        "Cost by school, key source and role.",
        panels,
        variables=standard(),
        annotations=[new_prices()],
    )


def _schools() -> Json:
    more = [sql.amount("Cost, chargeable", "chargeable_cost")]
    names = {"School": sql.org_name()}
    found = breakdown(names, ("org_id",), users="Users", more=more, measures=("chargeable_cost",))
    return shown(
        "Schools",
        "All schools with usage in the range, most expensive first, with totals. Chargeable cost excludes calls on a "
        "school's own keys. Click to open the school.",
        found,
        ("org_id",),
        link={"School": to("Open this school", "overview", "org_id")},
        size=(24, 12),
    )


def _roles() -> Json:
    return shown(
        "Roles",
        "Role of the user at the time of the call; a dash for calls without a known user.",
        breakdown({"Role": sql.shown("usage.role")}, ("role",), users="Users"),
        ("role",),
        link={"Role": to("Users of this role", "users", "role")},
        size=(16, 10),
    )


def _share_of_roles() -> Json:
    columns = [f"{sql.shown('usage.role')} AS name", sql.drawn("cost")]
    tail = "GROUP BY usage.role\nORDER BY sum(usage.cost) DESC"
    return donut(
        "Cost by role",
        "Share of the cost of the range.",
        rows(sql.select(columns, usage(("role",), ("cost",)), tail)),
        size=(8, 10),
    )
