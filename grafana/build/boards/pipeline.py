"""Pipeline: is all spend counted, exactly once, and promptly? Reads Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana.build.board import board, row
from grafana.build.panels import Json, over_time, promql, stat
from grafana.build.variables import datasource

_QUIET = "No samples: is the worker scraped?"
_RATE = "[$__rate_interval]"


def build() -> Json:
    """Return the board for SREs."""
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
        "Lag, rates, dead letters, drift and step durations: is all spend counted, exactly once, and promptly?",
        panels,
        variables=[datasource("prometheus", "Prometheus", "prometheus", "spendmeter-prometheus")],
        since="now-6h",
        refresh="30s",
    )


def _now() -> list[Json]:
    return [
        _stat(
            "Last stored",
            "Time since events were last stored.",
            "time() - max(spendmeter_last_stored_timestamp_seconds)",
            "s",
        ),
        _stat(
            "Lag",
            "Age of the oldest record not yet stored, maximum over all partitions.",
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
            "Stopped partitions",
            "Partitions that are not processed: too many bad records in a row, or a worker fault.",
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
            "Records per second, by outcome. Duplicates are client retries; each event counts once.",
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
            "Lag in records by partition",
            "Records not yet stored.",
            promql("max by (partition) (spendmeter_consumer_lag_records)", "partition {{partition}}"),
            unit="short",
        ),
        _lines(
            "Dead letters",
            "Records dead-lettered per interval, by error code.",
            promql("sum by (code) (increase(spendmeter_dead_letters_total[$__rate_interval]))", "{{code}}"),
            unit="short",
            empty="No dead letters in this range",
            style="bars",
            stacked=True,
        ),
        _lines(
            "Unpriced events",
            "Events per interval that used a unit without a price.",
            promql(
                "sum by (provider, model, unit) (increase(spendmeter_unpriced_events_total[$__rate_interval]))",
                "{{provider}} {{model}}: {{unit}}",
            ),
            unit="short",
            empty="Every used unit has a price",
            style="bars",
            stacked=True,
        ),
        _lines(
            "Not in the directory",
            "Events per interval whose org or user is not in the directory.",
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
            "Chunks per second, by the reason they were closed: size, time, or recovery of a chunk left open.",
            promql(f"sum by (reason) (rate(spendmeter_chunks_total{_RATE}))", "{{reason}}"),
            unit="cps",
            style="bars",
            stacked=True,
        ),
        _lines(
            "Records per chunk",
            "50th and 95th percentile. Larger chunks cost ClickHouse less.",
            promql(_quantile(0.5, "spendmeter_chunk_records"), "p50"),
            promql(_quantile(0.95, "spendmeter_chunk_records"), "p95", "B"),
            unit="short",
        ),
        _lines(
            "Insert duration",
            "50th and 95th percentile, including materialized views and retries.",
            promql(_quantile(0.5, "spendmeter_step_seconds", of='{step="insert"}'), "p50"),
            promql(_quantile(0.95, "spendmeter_step_seconds", of='{step="insert"}'), "p95", "B"),
            unit="s",
        ),
        _lines(
            "Step duration",
            "95th percentile of each protocol step.",
            promql(_quantile(0.95, "spendmeter_step_seconds", by="step"), "{{step}}"),
            unit="s",
        ),
        _lines(
            "Retries",
            "Failed and retried attempts per interval: ClickHouse or Kafka is unavailable.",
            promql("sum by (step) (increase(spendmeter_retries_total[$__rate_interval]))", "{{step}}"),
            unit="short",
            empty="No retries in this range",
            style="bars",
            stacked=True,
        ),
        _lines(
            "Recovered chunks and directory",
            "Per interval: chunks recovered from a previous owner, rows re-inserted after a ClickHouse crash, and "
            "directory records read.",
            promql("sum(increase(spendmeter_recovered_chunks_total[$__rate_interval]))", "recovered chunks"),
            promql(
                "sum by (outcome) (increase(spendmeter_directory_entries_total[$__rate_interval]))",
                "directory {{outcome}}",
                "B",
            ),
            promql("sum(increase(spendmeter_rows_reinserted_total[$__rate_interval]))", "rows re-inserted", "C"),
            unit="short",
        ),
    ]


def _service() -> list[Json]:
    return [
        _lines(
            "Requests",
            "Responses of the query service per second, by status class.",
            promql(f"sum by (status) (rate(spendmeter_http_requests_total{_RATE}))", "{{status}}"),
            unit="reqps",
            style="bars",
            stacked=True,
        ),
        _lines(
            "Response time",
            "95th percentile by route.",
            promql(_quantile(0.95, "spendmeter_http_request_seconds", by="route"), "{{route}}"),
            unit="s",
        ),
    ]


def _spend() -> list[Json]:
    return [
        _lines(
            "Spend of the last hour",
            "USD, without calls on schools' own keys: the ten schools with the highest spend.",
            promql('topk(10, max by (key) (spendmeter_spend_usd{scope="org", window="1h"}))', "{{key}}"),
            unit="currencyUSD",
            empty="No spend in the last hour, or the spend guard is not running",
        ),
        _lines(
            "Failed calls by provider",
            "Share of calls per interval that failed.",
            promql(
                f'sum by (provider) (rate(spendmeter_calls_total{{status="error"}}{_RATE}))'
                f" / sum by (provider) (rate(spendmeter_calls_total{_RATE}))",
                "{{provider}}",
            ),
            unit="percentunit",
            empty="No failed calls in this range",
        ),
        _lines(
            "Budget burn rate",
            "Burn rates above 1. At 1 a budget lasts exactly until the end of the month.",
            promql('topk(10, spendmeter_budget_burn_ratio{window="1h"} > 1)', "{{scope}} {{key}} {{org}}"),
            unit="none",
            empty="No burn rate above 1",
        ),
        _lines(
            "Unusual spend",
            "Robust standard deviations above the same hour of the last 14 days.",
            promql("topk(10, spendmeter_spend_spike_score > 3)", "{{scope}} {{key}} {{org}}"),
            unit="none",
            empty="No unusual spend",
        ),
        _lines(
            "Spend guard alerts",
            "Alerts published per interval.",
            promql(
                "sum by (kind, scope) (increase(spendmeter_spend_guard_alerts_total[$__rate_interval]))",
                "{{kind}} ({{scope}})",
            ),
            unit="short",
            style="bars",
            stacked=True,
            empty="No alerts in this range",
        ),
        _lines(
            "Spend guard runs",
            "Time since the last completed run, and the 95th percentile of the duration of a run.",
            promql("time() - max(spendmeter_spend_guard_last_run_timestamp_seconds > 0)", "age"),
            promql(_quantile(0.95, "spendmeter_spend_guard_run_seconds"), "p95", "B"),
            unit="s",
            empty="The spend guard has not run yet",
        ),
    ]
