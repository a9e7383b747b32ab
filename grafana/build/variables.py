"""The variables of the boards: filters, currency, granularity."""

from __future__ import annotations

from typing import Any, Final

from grafana.build import sql
from grafana.build.calendar import with_names
from grafana.build.links import LOG_FILTERS, MAY_BE_EMPTY
from grafana.build.panels import CLICKHOUSE, Json

from spendmeter_clickhouse.catalogue import DIMENSIONS, FILTERS

ALL: Final = {"text": ["All"], "value": ["$__all"], "selected": True}
_ON_RANGE: Final = 2
_HIDDEN: Final = 2
_ABOUT: Final = {
    "key_source": "Who pays: the platform, or the school with its own key (byok)",
    "user": "Users with usage in the range, most calls first; system: calls without a user",
}


def datasource(name: str, label: str, plugin: str, uid: str) -> Json:
    """Which data source the board reads; the provisioned one unless another is chosen."""
    current = {"text": uid, "value": uid, "selected": True}
    return {"type": "datasource", "name": name, "label": label, "query": plugin, "refresh": 1, "current": current}


def _values(sql: str, *, name: str, label: str, description: str, **more: Any) -> Json:
    return {
        "type": "query",
        "name": name,
        "label": label,
        "description": description,
        "datasource": CLICKHOUSE,
        "query": sql,
        "refresh": _ON_RANGE,
        "sort": 0,
        **more,
    }


def values_of(column: str, *, within_org: bool = False) -> str:
    """Values and texts of a filter: those with usage in the window, most calls first.

    A thousand are listed; any other can be typed.

    :param within_org: only those of the one org that the board shows.
    """
    within = "  AND usage.org_id = ${org:singlequote}\n" if within_org else ""
    table = "user_daily" if column == "user_id" else "usage_daily"
    text = {"org_id": sql.org_name("any(usage.org_id)"), "user_id": sql.user_name("any(usage.org_id)", "usage.user_id")}
    value = sql.shown(f"usage.{column}") if column in MAY_BE_EMPTY else f"usage.{column}"
    known = "" if column in MAY_BE_EMPTY else f"  AND usage.{column} != ''\n"
    return with_names(
        f"SELECT {sql.linkable(value)} AS value, {text.get(column, value)} AS text\n"
        f"FROM {table} AS usage\n"
        "WHERE usage.bucket >= toStartOfDay(w0, 'UTC') AND usage.bucket < w1\n"
        f"{known}{within}"
        f"GROUP BY usage.{column}\nORDER BY sum(usage.requests) DESC, value\nLIMIT 1000"
    )


def filter_variable(name: str, *, single: bool = False) -> Json:
    """A filter: any number of values, All to begin with; or exactly one."""
    found = _several(name, DIMENSIONS[name].filter, FILTERS[name])
    if single:
        del found["current"]
        query = values_of(FILTERS[name], within_org=name == "user")
        found |= {"query": query, "multi": False, "includeAll": False}
    return found


def more_filters() -> list[Json]:
    """Additional filters of the log, most calls first."""
    return [_several(name, name.capitalize(), column) for name, column in LOG_FILTERS.items()]


def _several(name: str, label: str, column: str) -> Json:
    return _values(
        values_of(column),
        name=name,
        label=label,
        description=_ABOUT.get(name, f"{label}s with usage in the range, most calls first"),
        allowCustomValue=True,
        multi=True,
        includeAll=True,
        current=ALL,
    )


def currency() -> Json:
    """USD, and every currency with an exchange rate."""
    sql = "SELECT currency FROM (SELECT 'USD' AS currency UNION DISTINCT SELECT currency FROM fx_rates)\n"
    return _values(
        f"{sql}ORDER BY currency != 'USD', currency",
        name="currency",
        label="Currency",
        description="Amounts are converted at the rate in force on the last day of the range",
        multi=False,
        includeAll=False,
        allowCustomValue=False,
        current={"text": "USD", "value": "USD", "selected": True},
    )


def choice(name: str, label: str, description: str, values: tuple[str, ...]) -> Json:
    """One of a few fixed values, the first to begin with."""
    options = [{"text": value, "value": value, "selected": value == values[0]} for value in values]
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "description": description,
        "query": ",".join(values),
        "options": options,
        "current": options[0],
        "multi": False,
        "includeAll": False,
        "allowCustomValue": False,
    }


def standard(*, single: tuple[str, ...] = (), hidden: tuple[str, ...] = ()) -> list[Json]:
    """Variables of every ClickHouse board, in display order.

    :param single: filters that take exactly one value.
    :param hidden: variables without effect on this board, kept for links to others.
    """
    steps = ("auto", "hour", "day", "week", "month")
    grain = "Width of a bar. auto: hours for up to 7 days, days for up to 90, weeks for up to 365, else months"
    found = [
        datasource("datasource", "Data source", "grafana-clickhouse-datasource", "spendmeter-clickhouse"),
        currency(),
        choice("granularity", "Granularity", grain, steps),
        *(filter_variable(name, single=name in single) for name in FILTERS),
    ]
    return [{**each, "hide": _HIDDEN} if each["name"] in hidden else each for each in found]
