"""User: one person's footprint, all of it in the same window."""

from __future__ import annotations

from grafana.build import sql
from grafana.build.board import board
from grafana.build.boards.log import calls
from grafana.build.breakdown import breakdown, shown, to
from grafana.build.calendar import with_names
from grafana.build.links import calls as calls_of
from grafana.build.panels import Json, over_time, rows, series, stat, table
from grafana.build.variables import standard

from spendmeter_rollups.catalogue.dimensions import TOKENS

_NOBODY = "No usage of this person in this window with these filters"


def build() -> Json:
    """The drill-down from every list of people."""
    spent = ("cost", "requests", "errors", *TOKENS)
    columns = [
        sql.amount("Cost", "cost"),
        f'{sql.total("requests")} AS "Requests"',
        f'{sql.tokens()} AS "Tokens"',
        f'{sql.total("errors")} AS "Errors"',
    ]
    panels = [
        _identity(),
        stat(
            "In this window",
            "What this person used, and the change from the window before.",
            series(sql.compared(columns, (), spent)),
            size=(24, 4),
            change="same_as_value",
            empty=_NOBODY,
        ),
        over_time(
            "Cost over time",
            "This person's cost by feature.",
            [series(sql.by("usage.feature", sql.drawn("cost"), ("feature",), ("cost",)))],
            size=(14, 10),
            empty=_NOBODY,
        ),
        _features(),
        _recent(),
    ]
    return board(
        "user",
        "User",
        "Who a person is, what they used, on what, and their latest calls.",
        panels,
        variables=standard(single=("org", "user")),
    )


def _identity() -> Json:
    org, user = "${org:singlequote}", "${user:singlequote}"
    known = (("email", "E-mail"), ("role", "Role"), ("class_name", "Class"), ("section", "Section"))
    attributes = ", ".join(f'{sql.shown(sql.person(name, org, user))} AS "{label}"' for name, label in known)
    found = with_names(
        f'SELECT {sql.user_name(org, user)} AS "Name", {sql.org_name(org)} AS "School", {attributes},\n  {user} AS "Id"'
    )
    return table(
        "Identity",
        "What the directory says today. Usage keeps the role and class of its time.",
        rows(found),
        size=(24, 4),
        link={"Name": calls_of()},
        empty="The directory does not know this person",
    )


def _features() -> Json:
    return shown(
        "Cost by feature",
        "A click lists this person's calls of the feature.",
        breakdown({"Feature": "usage.feature"}, ("feature",)),
        ("feature",),
        link={"Feature": to("Calls of this feature", "log", "feature")},
        size=(10, 10),
        empty=_NOBODY,
    )


def _recent() -> Json:
    return calls(
        "Recent calls",
        "The newest calls of this person in the window.",
        limit="200",
        empty=_NOBODY,
    )
