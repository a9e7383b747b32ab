"""Users: usage by user, and last activity."""

from __future__ import annotations

from grafana.build import sql
from grafana.build.board import board
from grafana.build.breakdown import LIMIT
from grafana.build.links import field, link
from grafana.build.panels import Json, over_time, rows, series, table
from grafana.build.usage import usage
from grafana.build.variables import standard

from spendmeter_clickhouse.catalogue import top_feature
from spendmeter_events.usage_units import TOKENS

_PERSON = ("org_id", "user_id")
_MEASURES = ("cost", "requests", "errors", *TOKENS, "last_seen")


def build() -> Json:
    """Return the board: cost by user over time, and a table of users."""
    label = f"concat({sql.user_name()}, ' · ', {sql.org_name()})"
    panels = [
        over_time(
            "Cost by user",
            "The ten most expensive users of the range; the rest as other. system: calls without a user.",
            [series(sql.by(label, sql.drawn("cost"), _PERSON, ("cost",)))],
        ),
        _people(),
    ]
    return board(
        "users",
        "Users",
        "Usage by user, top feature, and last activity.",
        panels,
        variables=standard(),
    )


def people() -> str:
    """Rows by user, most expensive first. Role, class and section are those of the newest call."""
    latest = [f"argMax(usage.{name}, usage.last_seen) AS {name}" for name in ("role", "class_name", "section")]
    sums = [f"sum(usage.{name}) AS {name}" for name in _MEASURES if name != "last_seen"]
    inner = (
        f"SELECT org_id, user_id, feature, {', '.join([*latest, *sums])}, max(usage.last_seen) AS last_seen\n"
        f"FROM (\n{usage((*_PERSON, 'role', 'class_name', 'section', 'feature'), _MEASURES)}\n) AS usage\n"
        "GROUP BY org_id, user_id, feature"
    )
    columns = [
        f'{sql.user_name()} AS "User"',
        f'{sql.org_name()} AS "School"',
        *(
            f'{sql.shown(f"argMax(usage.{name}, usage.last_seen)")} AS "{label}"'
            for name, label in (("role", "Role"), ("class_name", "Class"), ("section", "Section"))
        ),
        sql.amount("Cost", "cost"),
        f'{sql.total("requests")} AS "Requests"',
        f'{sql.tokens()} AS "Tokens"',
        f'{sql.total("errors")} AS "Errors"',
        f'{top_feature("usage.")} AS "Top feature"',
        "toDateTime64(max(usage.last_seen), 3, 'UTC') AS \"Last active\"",
        *(sql.value_of(name) for name in _PERSON),
    ]
    keys = "usage.org_id, usage.user_id"
    tail = f"GROUP BY {keys}\nORDER BY sum(usage.cost) DESC, {keys}\nLIMIT {LIMIT}"
    return sql.select(columns, inner, tail)


def _people() -> Json:
    person = link("Open this user", "user", org=field("org_id_value"), user=field("user_id_value"))
    return table(
        "Users",
        f"The {LIMIT} most expensive users. Role, class and section of the newest call. Click to open the user.",
        rows(people()),
        size=(24, 18),
        units={"Last active": "dateTimeFromNow"},
        hidden=["org_id_value", "user_id_value"],
        totals=["/^Cost/", "Requests", "Tokens", "Errors"],
        link={"User": person},
    )
