"""Overview: cost, its change, the projection to the end of the month, and data quality."""

from __future__ import annotations

from grafana.build import latency, projection, sql
from grafana.build.board import board, new_prices, row
from grafana.build.calendar import with_names
from grafana.build.links import SERIES, field, link
from grafana.build.panels import Json, currency_units, over_time, override, panel, rows, series, stat, table
from grafana.build.usage import usage
from grafana.build.variables import standard

from spendmeter_clickhouse.catalogue import is_user
from spendmeter_events.usage_units import CACHE_READS, COMPLETION_TOKENS, PROMPT_TOKENS, TOKENS

_DASHED = {"custom__drawStyle": "line", "custom__lineStyle": {"fill": "dash", "dash": [8, 8]}, "custom__fillOpacity": 0}


def build() -> Json:
    """Return the board that admins open first."""
    panels = [
        row("This range, compared with the previous one"),
        *_figures(),
        row("This month"),
        *_month(),
        row("Over time"),
        *_over_time(),
        row("Data quality"),
        *_trust(),
    ]
    return board(
        "overview",
        "Overview",
        "What AI usage costs, how that has changed, and where the month will end.",
        panels,
        variables=standard(),
        annotations=[new_prices()],
    )


def _figures() -> list[Json]:
    cost = ("cost", "chargeable_cost", "cache_savings")
    amounts = [
        sql.amount("Cost", "cost"),
        sql.amount("Chargeable", "chargeable_cost"),
        sql.amount("Cache savings", "cache_savings"),
    ]
    return [
        stat(
            "Cost",
            "List price of all calls; chargeable: without calls on a school's own keys; savings from prompt caching.",
            series(sql.compared(amounts, (), cost)),
            size=(12, 4),
            change="inverted",
        ),
        _calls(),
        _tokens(),
        _users(),
        _busiest(),
        _latency(),
    ]


def _calls() -> Json:
    models = "uniqExactIf((usage.provider, usage.model), usage.requests > 0)"
    columns = [
        f'{sql.total("requests")} AS "Requests"',
        f'{sql.ratio(sql.total("requests") + " - " + sql.total("errors"), sql.total("requests"))} AS "Success rate"',
        'uniqExactIf(usage.provider, usage.requests > 0) AS "Providers"',
        f'{models} AS "Models"',
    ]
    return stat(
        "Calls",
        "Calls, the share that did not fail, and the number of providers and models in use.",
        series(sql.compared(columns, ("provider", "model"), ("requests", "errors"))),
        size=(12, 4),
        units={"Success rate": "percentunit"},
        change="same_as_value",
    )


def _tokens() -> Json:
    columns = [
        f'{sql.tokens()} AS "All tokens"',
        f'{sql.total(*PROMPT_TOKENS)} AS "Prompt"',
        f'{sql.total(*COMPLETION_TOKENS)} AS "Completion"',
        f'{sql.total(*CACHE_READS)} AS "Cache reads"',
    ]
    return stat(
        "Tokens",
        "Prompt tokens include cache reads, cache writes, audio and images; completion tokens include reasoning.",
        series(sql.compared(columns, (), TOKENS)),
        size=(10, 4),
        change="same_as_value",
    )


def _users() -> Json:
    columns = [f'{sql.USERS} AS "Users"']
    return stat(
        "Users",
        "Users with at least one call. Calls without a user belong to system, which is not counted.",
        series(sql.compared(columns, ("org_id", "user_id"), ("requests",))),
        size=(3, 4),
        change="same_as_value",
    )


def _busiest() -> Json:
    person = ("org_id", "user_id")
    columns = [
        f"concat({sql.user_name()}, ' · ', {sql.org_name()}) AS \"Most active user\"",
        f'{sql.total("requests")} AS "Calls"',
        *(sql.value_of(name) for name in person),
    ]
    tail = f'WHERE {is_user("usage.")}\nGROUP BY usage.org_id, usage.user_id\nHAVING "Calls" > 0'
    first = 'ORDER BY "Calls" DESC, usage.org_id, usage.user_id\nLIMIT 1'
    return stat(
        "Most active user",
        "The user with the most calls. Click to open the user.",
        rows(sql.select(columns, usage(person, ("requests",)), f"{tail}\n{first}")),
        size=(5, 4),
        fields="/^(Most active user|Calls)$/",
        links=[link("Open this user", "user", org=field("org_id_value"), user=field("user_id_value"))],
    )


def _latency() -> Json:
    return stat(
        "Latency",
        "50th, 95th and 99th percentile of the latency of a call.",
        series(latency.compared()),
        size=(6, 4),
        unit="ms",
        change="inverted",
    )


def _month() -> list[Json]:
    few = "Fewer than 7 days with usage: not enough for a projection"
    curve = panel(
        "trend",
        "Cumulative spend this month",
        "Solid: spend so far. Dashed: projection from the days of the range, with its 80 % prediction interval. The "
        "month is the one in which the range ends.",
        [rows(projection.month_curve())],
        size=(16, 9),
        overrides=_curve(),
        defaults={"custom": {"drawStyle": "line", "lineWidth": 2, "showPoints": "never", "fillOpacity": 0}, "min": 0},
        options={
            "xField": "Day",
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull"]},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
    )
    figures = stat(
        "Projection to month end",
        "Linear regression over the complete days of the range, plus spend so far; with an 80 % prediction interval.",
        rows(projection.month_end()),
        size=(8, 9),
        empty=few,
    )
    return [curve, figures]


def _curve() -> list[Json]:
    band = {"custom__lineWidth": 1, "custom__lineStyle": {"fill": "dot", "dash": [2, 6]}}
    return [
        *currency_units(cents=False),
        override("Day", unit="none"),
        override("/^Projected/", custom__lineStyle={"fill": "dash", "dash": [8, 8]}),
        override("/^At least/", **band),
        override("/^At most/", **band, custom__fillBelowTo="At least ${currency}"),
    ]


def _over_time() -> list[Json]:
    measures = ("cost", *TOKENS)
    columns = [sql.amount("Cost", "cost"), f'{sql.tokens()} AS "Tokens"']
    tokens = {"custom__drawStyle": "line", "custom__axisPlacement": "right", "custom__fillOpacity": 10}
    return [
        over_time(
            "Cost and tokens over time",
            "Bars: cost. Line, right axis: tokens. Dashed: projected cost of future days, if the range includes them "
            "(choose This month).",
            [series(sql.over_time(columns, (), measures)), series(projection.days_ahead(), "B")],
            stacked=False,
            overrides=[override("Tokens", unit="short", **tokens), override("/^Projected/", **_DASHED)],
        ),
        over_time(
            "Cost by feature",
            "The ten most expensive features of the range; the rest as other. Click to open the feature.",
            [series(sql.by("usage.feature", sql.drawn("cost"), ("feature",), ("cost",)))],
            size=(12, 10),
            links=[link("Open this feature", "features", feature=SERIES)],
        ),
        over_time(
            "Cost by school",
            "The ten most expensive schools of the range; the rest as other.",
            [series(sql.by(sql.org_name(), sql.drawn("cost"), ("org_id",), ("cost",)))],
            size=(12, 10),
        ),
    ]


def _trust() -> list[Json]:
    newest = 'SELECT toUnixTimestamp64Milli(maxOrNull(usage.last_seen)) AS "Newest event"\nFROM usage_daily AS usage'
    return [
        stat(
            "Freshness",
            "Time of the newest stored event of any school. Figures are complete up to this time.",
            rows(newest),
            size=(6, 8),
            unit="dateTimeFromNow",
            empty="No event has been stored yet",
        ),
        _unpriced(),
        _rate(),
    ]


def _unpriced() -> Json:
    measures = ("requests", "unpriced_requests", "partial_requests", *TOKENS)
    columns = [
        'usage.provider AS "Provider"',
        'usage.model AS "Model"',
        f'{sql.total("unpriced_requests")} AS "Unpriced"',
        f'{sql.total("partial_requests")} AS "Partially priced"',
        f'{sql.tokens()} AS "Tokens"',
        sql.value_of("model"),
    ]
    missing = '"Unpriced" > 0 OR "Partially priced" > 0'
    order = '"Unpriced" + "Partially priced" DESC'
    tail = f"GROUP BY usage.provider, usage.model\nHAVING {missing}\nORDER BY {order}"
    return table(
        "Unpriced usage",
        "Models without a price, or without a price for some unit. Their cost is too low until repriced.",
        rows(sql.select(columns, usage(("provider", "model"), measures), tail)),
        size=(12, 8),
        hidden=["model_value"],
        link={"Model": link("Calls of this model", "log", model=field("model_value"))},
        empty="Every call in this range is priced",
    )


def _rate() -> Json:
    found = with_names(
        "SELECT if(${currency:singlequote} = 'USD', 'list prices', max(source)) AS \"Source\",\n"
        "  if(${currency:singlequote} = 'USD', NULL, max(rate_date)) AS \"Rate date\",\n"
        '  fx AS "Per USD"\n'
        "FROM fx_rates FINAL\n"
        "WHERE currency = ${currency:singlequote} AND rate_date <= toDate(w1 - 1, zone)\n"
    )
    return table(
        "Exchange rate",
        "Amounts in USD are exact. Others are converted at the newest rate on or before the last day of the range.",
        rows(found),
        size=(6, 8),
        units={"Per USD": "none", "Rate date": "time:YYYY-MM-DD"},
        link={"Source": link("Schools in this currency", "orgs")},
        empty="No rate for this currency on or before the last day of the range",
    )
