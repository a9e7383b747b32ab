"""Evaluate Prometheus rules on given counters with `promtool`: when does an alert fire first?"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from spendmeter_clickhouse import Session
from spendmeter_stream.kafka.lag import Lag

SCRAPE_SECONDS = 15
_RULES = sorted((Path(__file__).parents[2] / "deploy" / "prometheus" / "rules").glob("*.yml"))
_GROUPS = ["spendmeter_recording", "spendmeter_pipeline", "spendmeter_providers", "spendmeter_spend"]
_BEFORE = timedelta(hours=3)
_AFTER = timedelta(minutes=30)

Series = Mapping[str, Sequence[float | None]]
"""Series in Prometheus notation → its value at each scrape; None if it is absent."""


def first_alert(alert: str, series: Series, *, after: int = 0) -> int | None:
    """Return the seconds from the first scrape to the first evaluation, not before `after`, at which `alert` fires.

    `promtool` cannot query this: the test expects that the alert never fires, and parses the reported times.
    """
    steps = max(map(len, series.values()))
    times = range(after // SCRAPE_SECONDS * SCRAPE_SECONDS, steps * SCRAPE_SECONDS, SCRAPE_SECONDS)
    case = {
        "rule_files": [str(path) for path in _RULES],
        "evaluation_interval": f"{SCRAPE_SECONDS}s",
        "group_eval_order": _GROUPS,
        "tests": [
            {
                "interval": f"{SCRAPE_SECONDS}s",
                "external_labels": {"runbooks": "https://r"},
                "input_series": [
                    {"series": name, "values": " ".join("_" if value is None else f"{value:g}" for value in values)}
                    for name, values in series.items()
                ],
                "alert_rule_test": [
                    {"alertname": alert, "eval_time": f"{moment}s", "exp_alerts": []} for moment in times
                ],
            }
        ],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        # JSON is YAML.
        json.dump(case, file)
        file.flush()
        done = subprocess.run(
            ["promtool", "test", "rules", file.name], capture_output=True, text=True, timeout=300, check=False
        )
    if done.returncode == 0:
        return None
    fired = re.findall(rf"alertname: {alert}, time: (\S+?),", done.stdout + done.stderr)
    if not fired:
        raise RuntimeError(done.stdout + done.stderr)
    return min(map(_seconds, fired))


async def call_counters(session: Session, start: datetime) -> tuple[Series, int]:
    """Return `spendmeter_calls_total` around `start`, and the seconds from the first scrape to `start`."""
    answer = await _counted(session, start, "status", "provider, status", "")
    names = {labels: 'spendmeter_calls_total{{provider="{}", status="{}"}}'.format(*labels) for labels in answer}
    return {names[labels]: _total(counts) for labels, counts in answer.items()}, int(_BEFORE.total_seconds())


async def unpriced_counters(session: Session, start: datetime) -> tuple[Series, int]:
    """Return `spendmeter_unpriced_events_total` around `start`; a series starts with its first event."""
    answer = await _counted(session, start, "unit", "provider, model, unit", "ARRAY JOIN unpriced_units AS unit")
    name = 'spendmeter_unpriced_events_total{{provider="{}", model="{}", unit="{}"}}'
    series: dict[str, Sequence[float | None]] = {}
    for labels, counts in answer.items():
        series[name.format(*labels)] = [value or None for value in _total(counts)]
    return series, int(_BEFORE.total_seconds())


def stuck_worker() -> Series:
    """Return the lag of a worker whose only chunk never ends, from the time at which the record was sent."""
    start = 1_790_000_000
    clock = [float(start)]
    lag = Lag(partition=0, clock=lambda: clock[0])
    lag.begin(oldest=1000 * start)
    ages: list[float | None] = []
    for step in range(60):
        clock[0] = float(start + step * SCRAPE_SECONDS)
        ages.append(lag.report(1))
    lag.hide()
    return {
        'spendmeter_consumer_lag_seconds{partition="0", instance="worker"}': ages,
        # No lag before.
        'spendmeter_chunks_total{reason="time", instance="worker"}': [9.0] * 60,
    }


async def _counted(
    session: Session, start: datetime, last: str, by: str, join: str
) -> dict[tuple[Any, ...], list[int]]:
    """Return the calls in each scrape interval, by labels."""
    first, end = start - _BEFORE, start + _AFTER
    steps = int((end - first).total_seconds()) // SCRAPE_SECONDS
    answer = await session.query(
        f"SELECT {by}, intDiv(toUnixTimestamp(occurred_at) - {{first:Int64}}, {SCRAPE_SECONDS}) AS step, count()"
        f" FROM usage_events {join} WHERE occurred_at >= {{from:DateTime64(3, 'UTC')}}"
        f" AND occurred_at < {{to:DateTime64(3, 'UTC')}} GROUP BY {by}, step",
        {"first": int(first.timestamp()), "from": first, "to": end},
    )
    found: dict[tuple[Any, ...], list[int]] = {}
    for *labels, step, number in answer.result_rows:
        # The scrape at the end of an interval counts its calls.
        found.setdefault(tuple(labels), [0] * (steps + 2))[int(step) + 1] += number
    return found


def _total(counts: Sequence[int]) -> list[float]:
    total, totals = 0, []
    for count in counts:
        total += count
        totals.append(float(total))
    return totals


def _seconds(text: str) -> int:
    """Parse a duration in Prometheus notation: 1h2m3s."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", text))
