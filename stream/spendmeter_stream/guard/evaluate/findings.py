"""Find spend that raises an alert, most severe first. Pure: the same reading gives the same findings.

All alerts derive from these findings: topic, webhook and, through `spendmeter_spend_finding`, the rules of Prometheus
and Grafana, which have no formula or threshold of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from spendmeter_events.alert import AlertKind, AlertSeverity
from spendmeter_stream.guard.evaluate.burn import BudgetState, burn_pairs, evaluate_budgets
from spendmeter_stream.guard.evaluate.spike import expected, score, threshold
from spendmeter_stream.guard.evaluate.thresholds import ScopeThresholds, Thresholds
from spendmeter_stream.guard.values import TOTAL, Key, Reading, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One condition of one key that raises an alert. Amounts are USD."""

    kind: AlertKind
    severity: AlertSeverity
    key: Key
    window: Window
    spend: Decimal
    limit: float
    expected: float | None = None
    score: float | None = None
    burn: float | None = None
    budget: BudgetState | None = None
    threshold: float | None = None
    """Of a budget: the highest share of it that is passed."""

    @property
    def value(self) -> float:
        """Score of a spike, ratio of a burn, or used share of a budget."""
        if self.kind == "budget":
            return self.budget.used if self.budget else 0.0
        return (self.score if self.kind == "spike" else self.burn) or 0.0


def find(reading: Reading, *, thresholds: Thresholds) -> list[Finding]:
    """Return the findings at `reading.at`, at most one per kind and key."""
    states, _ = evaluate_budgets(reading)
    return [
        *_spikes(reading, thresholds),
        *_burns(states, reading, thresholds),
        *_budgets(states, thresholds),
    ]


def spike_scores(reading: Reading, *, thresholds: Thresholds) -> dict[Key, float]:
    """Return the score of every key with a baseline."""
    return {key: _score(key, reading, thresholds, _floor(key, reading, thresholds)) for key in reading.baselines}


def _floor(key: Key, reading: Reading, thresholds: Thresholds) -> float:
    """Return the USD above the usual below which nothing is a spike: an amount, or a share of the platform's hour.

    The share prevents alerts for every user of a large platform, or of one without history.
    """
    limits = thresholds.of(key.scope)
    return max(limits.floor_usd, limits.floor_share * float(reading.spend_of(TOTAL).hour))


def _score(key: Key, reading: Reading, thresholds: Thresholds, floor: float) -> float:
    hour, limit = float(reading.spend_of(key).hour), thresholds.of(key.scope).spike_score
    return score(hour, reading.baselines[key], floor=floor, limit=limit)


def _spikes(reading: Reading, thresholds: Thresholds) -> Iterator[Finding]:
    scores = spike_scores(reading, thresholds=thresholds)
    high = {key: value for key, value in scores.items() if value > thresholds.of(key.scope).spike_score}
    in_an_org = {key.name for key in high if key.scope == "feature" and key.org_id}
    for key, value in high.items():
        # The feature over all orgs would repeat the alert of the feature in one org.
        if key.scope != "feature" or key.org_id or key.name not in in_an_org:
            baseline, limits = reading.baselines[key], thresholds.of(key.scope)
            yield Finding(
                kind="spike",
                # Without history nothing is usual yet, so the spike only warns.
                severity="critical" if baseline.history_days >= limits.history_days else "warning",
                key=key,
                window="1h",
                spend=reading.spend_of(key).hour,
                limit=threshold(baseline, floor=_floor(key, reading, thresholds), limit=limits.spike_score),
                expected=expected(baseline.same_hours),
                score=value,
            )


def _burns(states: Sequence[BudgetState], reading: Reading, thresholds: Thresholds) -> Iterator[Finding]:
    for state in states:
        limits = thresholds.of(state.key.scope)
        if _unusual(state.key, reading, thresholds, limits):
            for pair in burn_pairs(limits):
                if state.burn[pair.long] > pair.ratio and state.burn[pair.short] > pair.ratio:
                    spend = reading.spend_of(state.key).windows()[pair.long]
                    yield Finding(
                        kind="burn",
                        severity=pair.severity,
                        key=state.key,
                        window=pair.long,
                        spend=spend,
                        limit=float(spend) * pair.ratio / state.burn[pair.long],
                        burn=state.burn[pair.long],
                        budget=state,
                    )
                    break


def _unusual(key: Key, reading: Reading, thresholds: Thresholds, limits: ScopeThresholds) -> bool:
    """Return whether the score exceeds `burn_score`, without the platform's share, which would hide small budgets."""
    return key in reading.baselines and _score(key, reading, thresholds, limits.floor_usd) > limits.burn_score


def _budgets(states: Sequence[BudgetState], thresholds: Thresholds) -> Iterator[Finding]:
    for state in states:
        own = [percent / 100 for percent in state.budget.thresholds]
        passed = [it for it in (*(own or [thresholds.of(state.key.scope).nearly_used]), 1.0) if state.used >= it]
        if passed:
            yield Finding(
                kind="budget",
                severity="critical" if state.used >= 1 else "warning",
                key=state.key,
                window="month_to_date",
                spend=state.spent,
                limit=float(state.usd) * max(passed),
                budget=state,
                threshold=max(passed),
            )


def by_severity(findings: Sequence[Finding]) -> Mapping[AlertSeverity, list[Finding]]:
    """Return the findings of each severity, largest spend first."""
    ordered = sorted(findings, key=lambda finding: finding.spend, reverse=True)
    return {
        "critical": [finding for finding in ordered if finding.severity == "critical"],
        "warning": [finding for finding in ordered if finding.severity == "warning"],
    }
