"""Panels in Grafana's classic JSON. A panel's `gridPos` holds its size; the board finds its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from grafana.build.links import calls, from_pipeline

Json = dict[str, Any]

CLICKHOUSE: Final[Json] = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
PROMETHEUS: Final[Json] = {"type": "prometheus", "uid": "${prometheus}"}
NOTHING: Final = "No usage in this range with these filters"

_CURRENCIES: Final = ("USD", "INR", "EUR", "GBP")
_SUFFIXES: Final = {"USD": "$", "INR": "₹", "EUR": "€", "GBP": "£"}


def series(sql: str, ref: str = "A") -> Json:
    """A statement whose first column is the time."""
    return _query(sql, ref, kind="timeseries", form=0)


def rows(sql: str, ref: str = "A") -> Json:
    """A statement whose rows are shown as they are."""
    return _query(sql, ref, kind="table", form=1)


def _query(sql: str, ref: str, *, kind: str, form: int) -> Json:
    # Without a version, the plugin assumes a query of version 3 and migrates it.
    return {
        "refId": ref,
        "datasource": CLICKHOUSE,
        "pluginVersion": "4.0.0",
        "editorType": "sql",
        "queryType": kind,
        "format": form,
        "rawSql": sql,
    }


def promql(expr: str, legend: str, ref: str = "A", *, instant: bool = False) -> Json:
    """A Prometheus query."""
    return {
        "refId": ref,
        "datasource": PROMETHEUS,
        "editorMode": "code",
        "expr": expr,
        "legendFormat": legend,
        "instant": instant,
        "range": not instant,
    }


def override(names: str, **properties: Any) -> Json:
    """Properties for the fields that `names` matches: a name, or a /regular expression/. `__` stands for a dot."""
    matcher = "byRegexp" if names.startswith("/") else "byName"
    found = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": matcher, "options": names}, "properties": found}


def currency_units(*, cents: bool) -> list[Json]:
    """Fields are named for the currency chosen, because a unit cannot be a variable.

    :param cents: show less than a hundredth as `< ₹0.01`, where a rounded 0 would pass for nothing.
    """
    found = []
    for code in _CURRENCIES:
        properties: Json = {"unit": f"currency{code}"}
        if cents:
            small = {"from": 1e-12, "to": 0.00999999, "result": {"text": f"< {_SUFFIXES[code]}0.01", "index": 0}}
            properties["mappings"] = [{"type": "range", "options": small}]
        found.append(override(f"/\\b{code}\\b/", **properties))
    return found


def panel(
    kind: str,
    title: str,
    description: str,
    targets: Sequence[Json],
    *,
    size: tuple[int, int],
    unit: str = "short",
    empty: str = NOTHING,
    defaults: Json | None = None,
    overrides: Sequence[Json] = (),
    options: Json | None = None,
    links: Sequence[Json] | None = None,
    transformations: Sequence[Json] = (),
    time_from: str | None = None,
) -> Json:
    """Any panel. `size` is (columns of 24, rows of 30 pixels). Without `links` there is one to what is behind it.

    :param time_from: the panel's own range up to now, in place of a relative one of the board.
    """
    source = targets[0]["datasource"]
    if links is None:
        links = [calls() if source == CLICKHOUSE else from_pipeline()]
    field = {"unit": unit, "noValue": empty, "links": list(links), **(defaults or {})}
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": source,
        "gridPos": {"w": size[0], "h": size[1]},
        "targets": list(targets),
        "transformations": list(transformations),
        "fieldConfig": {"defaults": field, "overrides": list(overrides)},
        "options": options or {},
        **({} if time_from is None else {"timeFrom": time_from, "hideTimeOverride": True}),
    }


def stat(
    title: str,
    description: str,
    target: Json,
    *,
    size: tuple[int, int],
    unit: str = "short",
    change: str | None = None,
    units: Mapping[str, str] | None = None,
    **more: Any,
) -> Json:
    """Big numbers, one for each column.

    :param change: show the change from the first row to the last: `standard` where more is good, `inverted` where
        more is bad, `same_as_value` where it is neither.
    """
    options = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": change or "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": more.pop("fields", ""), "values": False},
        "showPercentChange": change is not None,
        "textMode": more.pop("text", "value_and_name"),
        "wideLayout": True,
    }
    overrides = [*currency_units(cents=True), *(override(name, unit=found) for name, found in (units or {}).items())]
    defaults = {"color": {"mode": "fixed", "fixedColor": "text"}, **more.pop("defaults", {})}
    overrides += more.pop("overrides", [])
    shown = panel("stat", title, description, [target], size=size, unit=unit, overrides=overrides, **more)
    shown["fieldConfig"]["defaults"].update(defaults)
    shown["options"] = options
    return shown


def over_time(
    title: str,
    description: str,
    targets: Sequence[Json],
    *,
    size: tuple[int, int] = (24, 9),
    unit: str = "short",
    style: str = "bars",
    stacked: bool = True,
    calcs: Sequence[str] = ("sum", "max"),
    **more: Any,
) -> Json:
    """Bars or lines over time, with a table for a legend. `signed`: values may lie below zero."""
    custom: Json = {
        "drawStyle": style,
        "fillOpacity": 70 if style == "bars" else 10,
        "lineWidth": 1,
        "pointSize": 4,
        "showPoints": "never" if style == "bars" else "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        **more.pop("custom", {}),
    }
    options = {
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": list(calcs)},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    overrides = [*currency_units(cents=False), *more.pop("overrides", [])]
    floor = {} if more.pop("signed", False) else {"min": 0}
    defaults = {"custom": custom, "color": {"mode": "palette-classic"}, **floor, **more.pop("defaults", {})}
    return panel(
        "timeseries",
        title,
        description,
        targets,
        size=size,
        unit=unit,
        defaults=defaults,
        overrides=overrides,
        options=options,
        **more,
    )


def table(
    title: str,
    description: str,
    target: Json,
    *,
    size: tuple[int, int] = (24, 11),
    units: Mapping[str, str] | None = None,
    hidden: Sequence[str] = (),
    totals: Sequence[str] = (),
    link: Mapping[str, Json] | None = None,
    overrides: Sequence[Json] = (),
    **more: Any,
) -> Json:
    """A sortable table, in pages.

    :param units: column → unit; amounts need none.
    :param hidden: columns that only links read.
    :param totals: columns whose sum stands below them.
    :param link: column → the link of its cells.
    """
    columns = [*currency_units(cents=True)]
    columns += [override(name, unit=unit) for name, unit in (units or {}).items()]
    columns += [override(name, custom__hideFrom={"viz": True, "legend": True, "tooltip": True}) for name in hidden]
    columns += [override(name, custom__footer={"reducers": ["sum"]}) for name in totals]
    columns += [override(name, links=[to]) for name, to in (link or {}).items()]
    options = {"showHeader": True, "cellHeight": "sm", "enablePagination": True, "frameIndex": 0}
    defaults = {"custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False}}
    return panel(
        "table",
        title,
        description,
        [target],
        size=size,
        links=(),
        overrides=[*columns, *overrides],
        options=options,
        defaults=defaults,
        **more,
    )


def donut(title: str, description: str, target: Json, *, size: tuple[int, int] = (8, 9), **more: Any) -> Json:
    """Shares of a whole, one slice for each row."""
    options = {
        "orientation": "auto",
        "pieType": "donut",
        "displayLabels": ["percent"],
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": True},
        "legend": {
            "displayMode": "table",
            "placement": "right",
            "showLegend": True,
            "calcs": [],
            "values": ["value", "percent"],
        },
        "tooltip": {"mode": "single", "sort": "none"},
        "sort": "desc",
    }
    overrides = currency_units(cents=False)
    defaults = {"color": {"mode": "palette-classic"}}
    return panel(
        "piechart",
        title,
        description,
        [target],
        size=size,
        options=options,
        overrides=overrides,
        defaults=defaults,
        **more,
    )
