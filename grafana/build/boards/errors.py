"""Errors: how many calls fail, with which provider, and why."""

from __future__ import annotations

from grafana.build import sql
from grafana.build.board import board
from grafana.build.boards.log import calls
from grafana.build.links import field, link
from grafana.build.panels import Json, over_time, override, rows, series, stat, table
from grafana.build.usage import usage
from grafana.build.variables import standard

_NONE = "No errors in this range with these filters"
_ERRORS = ("requests", "errors")
_FAILED = {"status": ("error",)}


def build() -> Json:
    """Return the board: rate, types and the newest failed calls."""
    panels = [
        _figures(),
        _rate(),
        _over_time("provider", "Errors by provider", "usage.provider", size=(12, 9)),
        _over_time("error_type", "Errors by type", sql.shown("usage.error_type"), size=(12, 9)),
        _kinds(),
        _features(),
        calls(
            "Recent errors",
            "The newest failed calls with their messages. Click a user to open it.",
            limit="200",
            failed=True,
            empty=_NONE,
        ),
    ]
    return board(
        "errors",
        "Errors",
        "How many calls fail, with which provider, of which type, with which messages.",
        panels,
        variables=standard(),
    )


def _figures() -> Json:
    failed = sql.total("errors")
    columns = [
        f'{failed} AS "Errors"',
        f'{sql.ratio(failed, sql.total("requests"))} AS "Error rate"',
        'uniqExactIf(usage.provider, usage.errors > 0) AS "Providers with errors"',
        'uniqExactIf(usage.feature, usage.errors > 0) AS "Features with errors"',
    ]
    return stat(
        "Errors",
        "Failed calls, without cancelled ones; compared with the previous range.",
        series(sql.compared(columns, ("provider", "feature"), _ERRORS)),
        size=(24, 4),
        change="inverted",
        units={"Error rate": "percentunit"},
    )


def _rate() -> Json:
    columns = [
        f'{sql.total("errors")} AS "Errors"',
        f'{sql.ratio(sql.total("errors"), sql.total("requests"))} AS "Error rate"',
    ]
    line = {"custom__drawStyle": "line", "custom__axisPlacement": "right", "custom__fillOpacity": 0}
    return over_time(
        "Errors over time",
        "Bars: failed calls. Line, right axis: their share of all calls.",
        [series(sql.over_time(columns, (), _ERRORS))],
        stacked=False,
        overrides=[override("Error rate", unit="percentunit", **line)],
    )


def _over_time(column: str, title: str, label: str, *, size: tuple[int, int]) -> Json:
    value = f"{sql.total('errors')} AS errors"
    ranked = "sum(usage.errors)"
    found = sql.by(label, value, (column,), ("errors",), ranked_by=ranked, narrowed=_FAILED)
    return over_time(
        title,
        "The ten with the most failed calls of the range; the rest as other.",
        [series(found)],
        size=size,
        defaults={"displayName": "${__field.labels.name}"},
        empty=_NONE,
    )


def _kinds() -> Json:
    failed = sql.total("errors")
    columns = [
        'usage.provider AS "Provider"',
        'usage.model AS "Model"',
        f'{sql.shown("usage.error_type")} AS "Type"',
        f'{failed} AS "Errors"',
        f'{failed} / nullIf(sum({failed}) OVER (), 0) AS "Share"',
        *(sql.value_of(name) for name in ("provider", "model")),
    ]
    keys = "usage.provider, usage.model, usage.error_type"
    tail = f'GROUP BY {keys}\nHAVING "Errors" > 0\nORDER BY "Errors" DESC, {keys}\nLIMIT 500'
    source = usage(("provider", "model", "error_type"), ("errors",), narrowed=_FAILED)
    opened = link("Failed calls of this model", "errors", provider=field("provider_value"), model=field("model_value"))
    return table(
        "Errors by model and type",
        "Failed calls by provider, model and type, with their share of all failed calls.",
        rows(sql.select(columns, source, tail)),
        size=(14, 10),
        units={"Share": "percentunit"},
        hidden=["provider_value", "model_value"],
        totals=["Errors"],
        link={"Model": opened},
        empty=_NONE,
    )


def _features() -> Json:
    columns = [
        'usage.feature AS "Feature"',
        f'{sql.total("errors")} AS "Errors"',
        f'{sql.ratio(sql.total("errors"), sql.total("requests"))} AS "Error rate"',
        sql.value_of("feature"),
    ]
    tail = 'GROUP BY usage.feature\nHAVING "Errors" > 0\nORDER BY "Errors" DESC, usage.feature'
    return table(
        "Errors by feature",
        "Failed calls by feature, and the error rate of the feature.",
        rows(sql.select(columns, usage(("feature",), _ERRORS), tail)),
        size=(10, 10),
        units={"Error rate": "percentunit"},
        hidden=["feature_value"],
        totals=["Errors"],
        link={"Feature": link("Errors of this feature", "errors", feature=field("feature_value"))},
        empty=_NONE,
    )
