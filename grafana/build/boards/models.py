"""Models: cost by model and token type, and latency."""

from __future__ import annotations

from typing import Any

from grafana.build import latency, sql
from grafana.build.board import board, new_prices, row
from grafana.build.breakdown import breakdown, shown, to, to_log
from grafana.build.calendar import with_names
from grafana.build.links import SERIES, link
from grafana.build.panels import Json, currency_units, over_time, override, panel, rows, series, table
from grafana.build.usage import usage
from grafana.build.variables import standard

from spendmeter_events.usage_units import COMPONENTS, TOKENS

_MODEL = ("provider", "model")
_NAME = "concat(usage.provider, ' / ', usage.model)"


def build() -> Json:
    """Return the board: the ten most expensive models, cost against latency, and a table of all models."""
    panels = [
        _top(),
        _efficiency(),
        *_over_time(),
        _models(),
        row("Providers"),
        *_providers(),
        row("Latency"),
        _latency(),
        _latency_by_model(),
    ]
    return board(
        "models",
        "Models",
        "Cost by model and token type, and latency.",
        panels,
        variables=standard(),
        annotations=[new_prices()],
    )


def _over_time() -> list[Json]:
    tokens = sql.by("usage.model", f"{sql.tokens()} AS tokens", ("model",), TOKENS, ranked_by=sql.tokens())
    return [
        over_time(
            "Cost by model",
            "The ten most expensive models of the range; the rest as other. Click to list the calls.",
            [series(sql.by("usage.model", sql.drawn("cost"), ("model",), ("cost",)))],
            links=[link("Calls of this model", "log", model=SERIES)],
        ),
        over_time(
            "Tokens by model",
            "Tokens of the ten models with the most tokens in the range; the rest as other.",
            [series(tokens)],
            defaults={"displayName": "${__field.labels.name}"},
            links=[link("Calls of this model", "log", model=SERIES)],
        ),
    ]


def _providers() -> list[Json]:
    return [
        over_time(
            "Cost by provider",
            "The ten most expensive providers of the range; the rest as other. Click to open the errors.",
            [series(sql.by("usage.provider", sql.drawn("cost"), ("provider",), ("cost",)))],
            links=[link("Errors of this provider", "errors", provider=SERIES)],
        ),
        shown(
            "Providers",
            "Providers, including calls on a school's own keys.",
            breakdown({"Provider": "usage.provider"}, ("provider",)),
            ("provider",),
            link={"Provider": to("Errors of this provider", "errors", "provider")},
            size=(24, 9),
        ),
    ]


def _top() -> Json:
    columns = [
        f"{_NAME} AS name",
        sql.amount("Input", "input_cost"),
        sql.amount("Output", "output_cost"),
        sql.amount("Cached", "cache_read_cost", "cache_write_cost"),
        sql.amount("Other", "audio_cost", "unit_cost"),
    ]
    tail = f"GROUP BY usage.provider, usage.model\nORDER BY sum(usage.cost) DESC, name\nLIMIT {sql.TOP}"
    return _bars(
        "Top 10 models",
        "The ten most expensive models, by uncached input, output, cache reads and writes; other is audio, characters, "
        "seconds, images and tool calls.",
        rows(sql.select(columns, usage(_MODEL, ("cost", *COMPONENTS)), tail)),
    )


def _bars(title: str, description: str, target: Json) -> Json:
    options: dict[str, Any] = {
        "orientation": "horizontal",
        "stacking": "normal",
        "xField": "name",
        "showValue": "never",
        "barWidth": 0.8,
        "groupWidth": 0.7,
        "fullHighlight": False,
        "xTickLabelMaxLength": 40,
        "xTickLabelRotation": 0,
        "legend": {"displayMode": "table", "placement": "right", "showLegend": True, "calcs": ["sum"]},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    return panel(
        "barchart",
        title,
        description,
        [target],
        size=(12, 11),
        options=options,
        overrides=currency_units(cents=False),
        defaults={"custom": {"fillOpacity": 80, "lineWidth": 0}, "color": {"mode": "palette-classic"}, "min": 0},
    )


def _efficiency() -> Json:
    columns = [
        f"{_NAME} AS model_name",
        f'{sql.ratio(sql.total("latency_sum"), sql.total("latency_requests"))} AS "Average latency"',
        sql.amount("Cost", "cost"),
        f'{sql.total("requests")} AS "Calls"',
    ]
    keys = "usage.provider, usage.model"
    tail = f'GROUP BY {keys}\nHAVING "Average latency" IS NOT NULL\nORDER BY sum(usage.cost) DESC\nLIMIT 50'
    source = usage(_MODEL, ("cost", "requests", "latency_sum", "latency_requests"))
    matched: dict[str, Json] = {
        axis: {"matcher": {"id": "byName" if axis != "y" else "byRegexp", "options": name}}
        for axis, name in {"x": "Average latency", "y": "/^Cost/", "size": "Calls"}.items()
    }
    options = {
        "mapping": "manual",
        "series": [{"name": {"fixed": "Models"}, **matched}],
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return panel(
        "xychart",
        "Cost against latency",
        "A bubble for each model: to the right slow, above dear, large often called. Point at one to see its name.",
        [rows(sql.select(columns, source, tail))],
        size=(12, 11),
        options=options,
        overrides=[*currency_units(cents=False), override("Average latency", unit="ms")],
        defaults={"custom": {"show": "points", "pointSize": {"min": 6, "max": 60}, "fillOpacity": 50}},
    )


def _models() -> Json:
    return shown(
        "Models",
        "Every model with usage in the range. Cost 0 with tokens means a free, local or unpriced model; the "
        "Overview board lists unpriced models.",
        breakdown({"Provider": "usage.provider", "Model": "usage.model"}, _MODEL),
        _MODEL,
        link={"Model": to_log("provider", "model"), "Errors": to("Its errors", "errors", "provider", "model")},
        size=(24, 12),
    )


def _latency() -> Json:
    return over_time(
        "Latency",
        "50th, 95th and 99th percentile. Steps shorter than a day read single calls.",
        [series(latency.over_time())],
        size=(12, 10),
        unit="ms",
        style="line",
        stacked=False,
        calcs=("mean", "max"),
    )


def _latency_by_model() -> Json:
    key = {"provider": "usage.provider", "model": "usage.model"}
    found = (
        'SELECT provider AS "Provider", model AS "Model", p50, p95, p99,\n'
        f"  {sql.linkable('provider')} AS provider_value, {sql.linkable('model')} AS model_value\n"
        f"FROM (\n{latency.by(_MODEL, key)}\n)\nORDER BY p95 DESC"
    )
    return table(
        "Latency by model",
        "Percentiles from a histogram with 16 bins per power of two; maximum error 4.4 %.",
        rows(with_names(found)),
        size=(12, 10),
        units={"p50": "ms", "p95": "ms", "p99": "ms"},
        hidden=["provider_value", "model_value"],
        link={"Model": to_log("provider", "model")},
        empty="No call in this range has a latency",
    )
