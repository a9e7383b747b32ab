"""User: the usage of one user."""

from __future__ import annotations

from grafana.build import sql
from grafana.build.board import board
from grafana.build.boards.log import calls
from grafana.build.breakdown import breakdown, shown, to
from grafana.build.calendar import with_names
from grafana.build.links import calls as calls_of
from grafana.build.panels import Json, over_time, rows, series, stat, table
from grafana.build.variables import standard

from spendmeter_events.usage_units import TOKENS

_NOBODY = "No usage of this user in this range with these filters"


def build() -> Json:
    """Return the board that every list of users links to."""
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
            "Usage",
            "Usage of this user, compared with the previous range.",
            series(sql.compared(columns, (), spent)),
            size=(24, 4),
            change="same_as_value",
            empty=_NOBODY,
        ),
        over_time(
            "Cost over time",
            "Cost of this user by feature.",
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
        "One user: identity, usage by feature, and latest calls.",
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
        "Current directory entry. Usage keeps the role and class at the time of the call.",
        rows(found),
        size=(24, 4),
        link={"Name": calls_of()},
        empty="This user is not in the directory",
    )


def _features() -> Json:
    return shown(
        "Cost by feature",
        "Click to list the calls of this user with the feature.",
        breakdown({"Feature": "usage.feature"}, ("feature",)),
        ("feature",),
        link={"Feature": to("Calls of this feature", "log", "feature")},
        size=(10, 10),
        empty=_NOBODY,
    )


def _recent() -> Json:
    return calls(
        "Recent calls",
        "The newest calls of this user in the range.",
        limit="200",
        empty=_NOBODY,
    )
