"""Metrics of the spend guard. docs/metrics.md, "Spend guard", describes each; a test compares the two.

Label sets follow the store's contents, and their number is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from spendmeter_clickhouse.budgets import SCOPES
from spendmeter_stream.guard.evaluate.burn import BudgetState, evaluate_budgets
from spendmeter_stream.guard.evaluate.findings import Finding, by_severity, find, spike_scores
from spendmeter_stream.guard.evaluate.spike import expected
from spendmeter_stream.guard.evaluate.thresholds import Thresholds
from spendmeter_stream.guard.values import PLAIN_SCOPES, TOTAL, Key, Reading, Spend

OTHER: Final = "other"
MOST_BUDGETS: Final = 50
MOST_SPENDERS: Final = 25
"""Exported keys per scope: the most used budgets, the top spenders of the hour, and those of the month."""
MOST_FINDINGS: Final = 200
"""Exported findings per severity, by spend; more would not help an operator."""

_KEY: Final = ["scope", "org", "key"]
SPEND = Gauge("spendmeter_spend_usd", "Spend of the window that ends now, USD.", [*_KEY, "window"])
EXPECTED = Gauge("spendmeter_spend_expected_usd", "Usual spend of this hour, from the last 14 days.", _KEY)
SCORE = Gauge("spendmeter_spend_spike_score", "Robust standard deviations of the last hour above the usual.", _KEY)
FINDING = Gauge(
    "spendmeter_spend_finding",
    "Active findings of the spend guard: score of a spike, ratio of a burn, used share of a budget.",
    ["kind", "severity", *_KEY],
)
BUDGET = Gauge("spendmeter_budget_usd", "Budget of the current calendar month.", _KEY)
USED = Gauge("spendmeter_budget_used_ratio", "Spend of the month to date over the budget.", _KEY)
BURN = Gauge(
    "spendmeter_budget_burn_ratio", "Spend of the window over the budget's even share of it.", [*_KEY, "window"]
)
UNEVALUATED = Gauge("spendmeter_budgets_unevaluated", "Budgets in a currency without a rate.")
LAST_RUN = Gauge("spendmeter_spend_guard_last_run_timestamp_seconds", "Time of the guard's last completed run.")
RUN_SECONDS = Histogram(
    "spendmeter_spend_guard_run_seconds",
    "Duration of one guard run.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
ALERTS = Counter("spendmeter_spend_guard_alerts", "Alerts published.", ["kind", "scope"])
WEBHOOKS = Counter("spendmeter_spend_guard_webhooks", "Alerts for the webhook, by outcome.", ["outcome"])

Rows = dict[tuple[str, ...], float]


class ExportedRows:
    """The exported rows. They change in place, so that no scrape sees an empty table."""

    def __init__(self) -> None:
        self._rows: dict[Gauge, set[tuple[str, ...]]] = {}

    def replace(self, reading: Reading, *, thresholds: Thresholds, findings: Sequence[Finding] | None = None) -> None:
        """Export `reading` and its findings, computed unless given."""
        states, unevaluated = evaluate_budgets(reading)
        keys = exported_keys(reading, states)
        spikes = {key: value for key, value in spike_scores(reading, thresholds=thresholds).items() if key in keys}
        exported = [state for state in states if state.key in keys]
        self._replace(SPEND, _spend_rows(reading, keys))
        self._replace(EXPECTED, {_labels(key): expected(reading.baselines[key].same_hours) for key in spikes})
        self._replace(SCORE, {_labels(key): value for key, value in spikes.items()})
        found = find(reading, thresholds=thresholds) if findings is None else findings
        self._replace(FINDING, _finding_rows(found))
        self._replace(BUDGET, {_labels(state.key): float(state.usd) for state in exported})
        self._replace(USED, {_labels(state.key): state.used for state in exported})
        self._replace(BURN, _burn_rows(exported))
        UNEVALUATED.set(len(unevaluated))

    def clear(self) -> None:
        """Remove all rows: another worker leads now and exports them."""
        for gauge in list(self._rows):
            self._replace(gauge, {})
        UNEVALUATED.set(0)

    def _replace(self, gauge: Gauge, rows: Rows) -> None:
        for labels, value in rows.items():
            gauge.labels(*labels).set(value)
        for labels in self._rows.get(gauge, set()) - rows.keys():
            gauge.remove(*labels)
        self._rows[gauge] = set(rows)


def exported_keys(reading: Reading, states: Iterable[BudgetState]) -> set[Key]:
    """Return the keys to export: the most used budgets, and the top spenders of the hour and of the month."""
    keys: set[Key] = set()
    by_use = sorted(
        (state for state in states if state.key.name != OTHER or state.key.org_id),
        key=lambda state: state.used,
        reverse=True,
    )
    # A feature called `other` is counted in the row of the remainder, which has the same labels.
    spent = [key for key in reading.spend if key not in (TOTAL, Key("feature", "", OTHER))]
    for scope in SCOPES:
        in_scope = [key for key in spent if key.scope == scope]
        keys.update([state.key for state in by_use if state.key.scope == scope][:MOST_BUDGETS])
        keys.update(sorted(in_scope, key=lambda key: reading.spend[key].hour, reverse=True)[:MOST_SPENDERS])
        keys.update(sorted(in_scope, key=lambda key: reading.spend[key].month, reverse=True)[:MOST_SPENDERS])
    return keys


def _spend_rows(reading: Reading, keys: Iterable[Key]) -> Rows:
    rows: Rows = {}
    rest: dict[str, Mapping[str, Decimal]] = dict.fromkeys(PLAIN_SCOPES, _total(reading))
    for key in keys:
        if key.scope not in PLAIN_SCOPES:
            continue
        windows = reading.spend_of(key).windows()
        rows |= {(*_labels(key), window): float(value) for window, value in windows.items()}
        # A feature of one org is part of the same feature over all orgs.
        if key.scope != "feature" or not key.org_id:
            rest[key.scope] = {window: rest[key.scope][window] - value for window, value in windows.items()}
    for scope, left in rest.items():
        rows |= {(scope, "", OTHER, window): max(0.0, float(value)) for window, value in left.items()}
    return rows


def _finding_rows(findings: Sequence[Finding]) -> Rows:
    return {
        (finding.kind, finding.severity, *_labels(finding.key)): finding.value
        for ordered in by_severity(findings).values()
        for finding in ordered[:MOST_FINDINGS]
    }


def _total(reading: Reading) -> Mapping[str, Decimal]:
    return {str(window): value for window, value in reading.spend.get(TOTAL, Spend()).windows().items()}


def _burn_rows(states: Iterable[BudgetState]) -> Rows:
    return {(*_labels(state.key), window): ratio for state in states for window, ratio in state.burn.items()}


def _labels(key: Key) -> tuple[str, ...]:
    return key.scope, key.org_id, key.name
