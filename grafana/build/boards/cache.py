"""Cache and BYOK: savings from prompt caching, and usage by key source."""

from __future__ import annotations

from grafana.build import sql
from grafana.build.board import board, new_prices, row
from grafana.build.breakdown import to_log
from grafana.build.links import field, link
from grafana.build.panels import Json, donut, over_time, override, rows, series, stat, table
from grafana.build.usage import usage
from grafana.build.variables import standard

from spendmeter_events.usage_units import CACHE_READS, CACHE_WRITES, PROMPT_TOKENS

_MEASURES = ("cache_savings", "cache_unpriced_requests", *PROMPT_TOKENS)
_READ = f"({sql.total(*CACHE_READS)})"
_WRITTEN = sql.total(*CACHE_WRITES)
# NULL if no call used a cache, as opposed to 0 if caching saved nothing.
_USED = f"({_READ} + {_WRITTEN} > 0)"
_RATE = f"if({_USED}, {_READ} / ({sql.total(*PROMPT_TOKENS)}), NULL)"
_HIDDEN = ("provider_value", "model_value")
_VALUES = [sql.value_of(name) for name in ("provider", "model")]
_NONE = "No call in this range used a prompt cache"


def build() -> Json:
    """Return the board: savings over time and by model, and platform keys against own keys."""
    panels = [
        row("Prompt cache"),
        _figures(),
        _over_time(),
        _models(),
        _skipped(),
        row("Platform keys and schools' own keys (BYOK)"),
        *_keys(),
    ]
    return board(
        "cache",
        "Cache and BYOK",
        "Savings from prompt caching, over time and by model, and usage on schools' own keys.",
        panels,
        variables=standard(),
        annotations=[new_prices()],
    )


def _figures() -> Json:
    columns = [
        f'{_RATE} AS "Hit rate"',
        f'if({_USED}, {_READ}, NULL) AS "Cache reads"',
        f'if({_USED}, {sql.money("cache_savings")}, NULL) AS "Saved {sql.CODE}"',
    ]
    return stat(
        "Prompt cache",
        "Share of prompt tokens read from a cache; their number; and the savings: reads at the input price, minus "
        "their cost, minus the surcharge for writes. Negative if writes were never read.",
        series(sql.compared(columns, (), _MEASURES)),
        size=(24, 4),
        units={"Hit rate": "percentunit"},
        change="standard",
        empty=_NONE,
    )


def _over_time() -> Json:
    columns = [f'{sql.money("cache_savings")} AS "Saved {sql.CODE}"', f'{_RATE} AS "Hit rate"']
    line = {"custom__drawStyle": "line", "custom__axisPlacement": "right", "custom__fillOpacity": 0}
    return over_time(
        "Savings and hit rate",
        "Bars: savings, negative where writes cost more than reads saved. Line, right axis: hit rate.",
        [series(sql.over_time(columns, (), _MEASURES))],
        stacked=False,
        signed=True,
        overrides=[override("Hit rate", unit="percentunit", min=0, max=1, **line)],
        empty=_NONE,
    )


def _models() -> Json:
    columns = [
        'usage.provider AS "Provider"',
        'usage.model AS "Model"',
        f'{sql.money("cache_savings")} AS "Saved {sql.CODE}"',
        f'{_RATE} AS "Hit rate"',
        f'{_READ} AS "Read"',
        f'{_WRITTEN} AS "Written"',
        *_VALUES,
    ]
    tail = f"GROUP BY usage.provider, usage.model\nHAVING {_USED}\nORDER BY sum(usage.cache_savings) DESC\nLIMIT 500"
    return table(
        "Prompt cache by model",
        "Models with cache reads or writes: tokens, hit rate, savings.",
        rows(sql.select(columns, usage(("provider", "model"), _MEASURES), tail)),
        size=(15, 9),
        units={"Hit rate": "percentunit"},
        hidden=_HIDDEN,
        totals=["/^Saved/", "Read", "Written"],
        link={"Model": to_log("provider", "model")},
        empty=_NONE,
    )


def _skipped() -> Json:
    columns = [
        'usage.provider AS "Provider"',
        'usage.model AS "Model"',
        f'{sql.total("cache_unpriced_requests")} AS "Calls"',
        *_VALUES,
    ]
    tail = 'GROUP BY usage.provider, usage.model\nHAVING "Calls" > 0\nORDER BY "Calls" DESC'
    return table(
        "Calls excluded from savings",
        "Calls with a cache whose savings are unknown, because an input or cache price is missing.",
        rows(sql.select(columns, usage(("provider", "model"), ("cache_unpriced_requests",)), tail)),
        size=(9, 9),
        hidden=_HIDDEN,
        link={"Model": to_log("provider", "model")},
        empty="Savings are known for every call with a cache",
    )


def _keys() -> list[Json]:
    measures = ("cost", "requests")
    name = "if(usage.key_source = 'byok', 'own keys', 'platform')"
    share = sql.select(
        [f"{name} AS name", sql.drawn("cost")],
        usage(("key_source",), measures),
        "GROUP BY name\nORDER BY name",
    )
    columns = [
        f'{sql.org_name()} AS "School"',
        *(
            f"toFloat64(sumIf(usage.cost, usage.key_source = '{source}')) * fx AS \"{label} {sql.CODE}\""
            for source, label in (("platform", "Platform"), ("byok", "Own keys"))
        ),
        "sumIf(usage.requests, usage.key_source = 'byok') / nullIf(sum(usage.requests), 0) AS \"Calls on own keys\"",
        sql.value_of("org_id"),
    ]
    tail = "GROUP BY usage.org_id\nORDER BY sum(usage.cost) DESC, usage.org_id\nLIMIT 1000"
    return [
        over_time(
            "Cost by key source",
            "Calls on a school's own keys do not cost the platform anything; they are shown at list price.",
            [series(sql.by(name, sql.drawn("cost"), ("key_source",), ("cost",)))],
            size=(16, 9),
        ),
        donut("Share of cost by key source", "At list prices.", rows(share)),
        table(
            "Cost by school and key source",
            "Spend on platform keys, which is charged to the school, and on the school's own keys.",
            rows(sql.select(columns, usage(("org_id", "key_source"), measures), tail)),
            size=(24, 10),
            units={"Calls on own keys": "percentunit"},
            hidden=["org_id_value"],
            totals=["/^Platform/", "/^Own keys/"],
            link={"School": link("Open this school", "overview", org=field("org_id_value"))},
        ),
    ]
