"""Pipeline: is everything that was spent counted, once, and soon? From Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana.build.board import board, row
from grafana.build.panels import Json, over_time, promql, stat
from grafana.build.variables import datasource

_QUIET = "No samples: is the worker scraped?"
_RATE = "[$__rate_interval]"


def build() -> Json:
    """What an SRE looks at first."""
    panels = [
        row("Now"),
        *_now(),
        row("Events"),
        *_events(),
        row("Chunks and steps"),
        *_chunks(),
        row("Query service"),
        *_service(),
        row("Spend guard"),
        *_spend(),
    ]
    return board(
        "pipeline",
        "Pipeline",
        "Lag, rates, dead letters, drift and the time of each step: is everything counted, once, and soon?",
        panels,
        variables=[datasource("prometheus", "Prometheus", "prometheus", "spendmeter-prometheus")],
        since="now-6h",
        refresh="30s",
    )


def _now() -> list[Json]:
    return [
        _stat(
            "Newest event",
            "Age of the newest stored event.",
            "time() - max(spendmeter_newest_event_timestamp_seconds)",
            "s",
        ),
        _stat(
            "Lag",
            "Age of the oldest record not yet stored, worst partition.",
            "max(spendmeter_consumer_lag_seconds)",
            "s",
        ),
        _stat(
            "Rollup drift",
            "Differences between raw events and rollups at the last check; 0 is the only good value.",
            "max(spendmeter_rollup_drift)",
            "none",
            steps=((None, "green"), (1, "red")),
        ),
        _stat(
            "PausedChunk partitions",
            "Partitions held after too many bad records in a row.",
            "sum(spendmeter_partition_stopped)",
            "none",
            steps=((None, "green"), (1, "red")),
        ),
    ]


_LATE = ((None, "green"), (60, "orange"), (600, "red"))


def _stat(
    title: str, description: str, expr: str, unit: str, *, steps: Sequence[tuple[int | None, str]] = _LATE
) -> Json:
    thresholds = {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}
    return stat(
        title,
        description,
        promql(expr, title, instant=True),
        size=(6, 4),
        unit=unit,
        text="value",
        empty=_QUIET,
        defaults={"thresholds": thresholds, "color": {"mode": "thresholds"}},
    )


def _lines(title: str, description: str, *targets: Json, unit: str, **more: Any) -> Json:
    settings: dict[str, Any] = {"size": (12, 9), "style": "line", "stacked": False, "calcs": ("lastNotNull", "max")}
    return over_time(title, description, targets, unit=unit, **{"empty": _QUIET, **settings, **more})


def _events() -> list[Json]:
    return [
        _lines(
            "Records read",
            "A second, by what became of them. Duplicates are retries of emitters; each event counts once.",
            promql(f"sum by (outcome) (rate(spendmeter_events_total{_RATE}))", "{{outcome}}"),
            unit="cps",
            style="bars",
            stacked=True,
        ),
        _lines(
            "Lag by partition",
            "Age of the oldest record not yet stored.",
            promql("max by (partition) (spendmeter_consumer_lag_seconds)", "partition {{partition}}"),
            unit="s",
        ),
        _lines(
            "Waiting records",
            "Records not yet stored.",
            promql("max by (partition) (spendmeter_consumer_lag_records)", "partition {{partition}}"),
            unit="short",
        ),
        _lines(
            "Dead letters",
            "Records refused in each interval, by reason.",
            promql("sum by (code) (increase(spendmeter_dead_letters_total[$__rate_interval]))", "{{code}}"),
            unit="short",
            empty="No record was refused",
            style="bars",
            stacked=True,
        ),
        _lines(
            "Unpriced events",
            "Events in each interval with a used unit that has no rate.",
            promql(
                "sum by (provider, model, unit) (increase(spendmeter_unpriced_events_total[$__rate_interval]))",
                "{{provider}} {{model}}: {{unit}}",
            ),
            unit="short",
            empty="Every unit that was used has a rate",
            style="bars",
            stacked=True,
        ),
        _lines(
            "Unknown to the directory",
            "Events in each interval whose org or user the directory does not know.",
            promql("sum(increase(spendmeter_unknown_orgs_total[$__rate_interval]))", "orgs"),
            promql("sum(increase(spendmeter_unknown_users_total[$__rate_interval]))", "users", "B"),
            unit="short",
        ),
    ]


def _quantile(share: float, metric: str, *, by: str = "", of: str = "") -> str:
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{of}{_RATE})))"


def _chunks() -> list[Json]:
    return [
        _lines(
            "Chunks stored",
            "A second, by why they were closed: full, its time was up, or replayed for an earlier owner.",
            promql(f"sum by (reason) (rate(spendmeter_chunks_total{_RATE}))", "{{reason}}"),
            unit="cps",
            style="bars",
            stacked=True,
        ),
        _lines(
            "Records in a chunk",
            "Half and 95 % of the chunks hold no more. Large ones spare the store.",
            promql(_quantile(0.5, "spendmeter_chunk_records"), "p50"),
            promql(_quantile(0.95, "spendmeter_chunk_records"), "p95", "B"),
            unit="short",
        ),
        _lines(
            "Time of insert",
            "Of the Arrow block, its views included, retries included.",
            promql(_quantile(0.5, "spendmeter_step_seconds", of='{step="insert"}'), "p50"),
            promql(_quantile(0.95, "spendmeter_step_seconds", of='{step="insert"}'), "p95", "B"),
            unit="s",
        ),
        _lines(
            "Time of each step",
            "95 % of the chunks pass the step within this time.",
            promql(_quantile(0.95, "spendmeter_step_seconds", by="step"), "{{step}}"),
            unit="s",
        ),
        _lines(
            "Retries",
            "Attempts in each interval that failed and were made again: the store or the broker is away.",
            promql("sum by (step) (increase(spendmeter_retries_total[$__rate_interval]))", "{{step}}"),
            unit="short",
            empty="Nothing had to be tried again",
            style="bars",
            stacked=True,
        ),
        _lines(
            "Replayed chunks and directory",
            "Chunks replayed for an earlier owner, rows put back that a killed store had lost, and directory records "
            "read, in each interval.",
            promql("sum(increase(spendmeter_recovered_chunks_total[$__rate_interval]))", "recovered chunks"),
            promql(
                "sum by (outcome) (increase(spendmeter_directory_entries_total[$__rate_interval]))",
                "directory {{outcome}}",
                "B",
            ),
            promql("sum(increase(spendmeter_rows_reinserted_total[$__rate_interval]))", "rows put back", "C"),
            unit="short",
        ),
    ]


def _service() -> list[Json]:
    return [
        _lines(
            "Requests",
            "Answers of the query service a second, by status.",
            promql(f"sum by (status) (rate(spendmeter_http_requests_total{_RATE}))", "{{status}}"),
            unit="reqps",
            style="bars",
            stacked=True,
        ),
        _lines(
            "Time of an answer",
            "95 % of the answers of each route take no longer.",
            promql(_quantile(0.95, "spendmeter_http_request_seconds", by="route"), "{{route}}"),
            unit="s",
        ),
    ]


def _spend() -> list[Json]:
    return [
        _lines(
            "Spend of the last hour",
            "USD without calls on schools' own keys: the ten schools that spend most.",
            promql('topk(10, max by (key) (spendmeter_spend_usd{scope="org", window="1h"}))', "{{key}}"),
            unit="currencyUSD",
            empty="Nothing was spent in the last hour, or the spend guard does not run",
        ),
        _lines(
            "Failed calls by provider",
            "Share of the calls of the interval that failed.",
            promql(
                f'sum by (provider) (rate(spendmeter_calls_total{{status="error"}}{_RATE}))'
                f" / sum by (provider) (rate(spendmeter_calls_total{_RATE}))",
                "{{provider}}",
            ),
            unit="percentunit",
            empty="No call failed",
        ),
        _lines(
            "Budgets burnt too fast",
            "Burn ratios above 1: at 1 a budget lasts exactly until the month's end.",
            promql('topk(10, spendmeter_budget_burn_ratio{window="1h"} > 1)', "{{scope}} {{key}} {{org}}"),
            unit="none",
            empty="No budget burns faster than it lasts",
        ),
        _lines(
            "Unusual spend",
            "Robust standard deviations above the same hour of the last 14 days; an alert is told above 6.",
            promql("topk(10, spendmeter_spend_spike_score > 3)", "{{scope}} {{key}} {{org}}"),
            unit="none",
            empty="No spend is unusual",
        ),
        _lines(
            "Alerts told",
            "By the spend guard, in each interval.",
            promql(
                "sum by (kind, scope) (increase(spendmeter_spend_guard_alerts_total[$__rate_interval]))",
                "{{kind}} of {{scope}}",
            ),
            unit="short",
            style="bars",
            stacked=True,
            empty="No alert was told",
        ),
        _lines(
            "The guard's looks",
            "Age of the newest look that ended, and the time that 95 % of the looks take.",
            promql("time() - max(spendmeter_spend_guard_last_run_timestamp_seconds > 0)", "age"),
            promql(_quantile(0.95, "spendmeter_spend_guard_run_seconds"), "p95", "B"),
            unit="s",
            empty="The spend guard has not looked yet",
        ),
    ]
