"""A board around its panels: places, links, variables, ranges."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from grafana.build.calendar import with_names
from grafana.build.panels import CLICKHOUSE, Json, series

WIDTH: Final = 24
SCHEMA: Final = 42

_RANGES: Final = (
    ("Today", "now/d", "now"),
    ("Last 7 days", "now-6d/d", "now"),
    ("Last 30 days", "now-29d/d", "now"),
    ("Last 90 days", "now-89d/d", "now"),
    ("This month", "now/M", "now/M"),
    ("Last month", "now-1M/M", "now-1M/M"),
    ("This year", "now/y", "now"),
    ("All time", "now-10y/y", "now"),
)


def row(title: str) -> Json:
    """A heading across the board."""
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": WIDTH, "h": 1}}


def board(
    uid: str,
    title: str,
    description: str,
    panels: Sequence[Json],
    *,
    variables: Sequence[Json],
    annotations: Sequence[Json] = (),
    since: str = "now-29d/d",
    **more: Any,
) -> Json:
    """The whole dashboard. Days of the range are those of the time picker's zone."""
    return {
        "uid": f"spendmeter-{uid}",
        "title": title,
        "description": description,
        "tags": ["spendmeter"],
        "editable": False,
        "schemaVersion": SCHEMA,
        "timezone": "browser",
        "time": {"from": since, "to": "now"},
        "timepicker": {
            "refresh_intervals": ["10s", "1m", "5m", "15m", "1h"],
            "quick_ranges": [{"display": text, "from": start, "to": end} for text, start, end in _RANGES],
        },
        "refresh": "1m",
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "links": [_boards()],
        "templating": {"list": list(variables)},
        "annotations": {"list": list(annotations)},
        "panels": _placed(panels),
        **more,
    }


def _boards() -> Json:
    """The other boards, with the same range and filters."""
    return {
        "type": "dashboards",
        "title": "Boards",
        "tags": ["spendmeter"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "The same range and filters on another board",
        "url": "",
    }


def _placed(panels: Sequence[Json]) -> list[Json]:
    """Left to right, and on below the highest of a full line."""
    placed, x, y, height = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        size = panel["gridPos"]
        if x + size["w"] > WIDTH:
            x, y, height = 0, y + height, 0
        placed.append({"id": number, **panel, "gridPos": {**size, "x": x, "y": y}})
        x, height = x + size["w"], max(height, size["h"])
    return placed


def new_prices() -> Json:
    """Annotations for price book changes: the first event of each version not seen in the week before."""
    sql = with_names(
        "SELECT min(event.occurred_at) AS time, 'New price book' AS title,\n"
        "  concat('version ', event.price_version) AS text, 'prices' AS tags\n"
        "FROM usage_events AS event\n"
        "WHERE event.occurred_at >= w0 AND event.occurred_at < w1 AND event.price_version NOT LIKE 'reported:%'\n"
        "  AND event.price_version NOT IN (\n"
        "    SELECT price_version FROM usage_events WHERE occurred_at >= w0 - 604800 AND occurred_at < w0)\n"
        "GROUP BY event.price_version\nORDER BY time"
    )
    return {
        "name": "Price changes",
        "datasource": CLICKHOUSE,
        "enable": False,
        "hide": False,
        "iconColor": "purple",
        "target": {**series(sql, "annotation"), "format": 1, "queryType": "table"},
    }


def dumped(found: Json) -> str:
    """As it is stored: one line a panel and a variable, so that a change shows where it is."""
    lines = []
    for key, value in found.items():
        if key == "panels":
            items = ",\n".join(f"  {_line(item)}" for item in value)
            lines.append(f' "panels": [\n{items}\n ]')
        elif key == "templating":
            items = ",\n".join(f"   {_line(item)}" for item in value["list"])
            lines.append(f' "templating": {{"list": [\n{items}\n  ]}}')
        else:
            lines.append(f" {json.dumps(key)}: {_line(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
