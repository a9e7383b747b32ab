"""What in a reading should be told, worst first. Pure: the same reading gives the same findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spendmeter_events.alert import AlertKind, AlertSeverity
from spendmeter_stream.guard.burn import NEARLY_USED, BudgetState, burn_pairs, judge_budgets
from spendmeter_stream.guard.spike import SPIKE_SCORE, expected, score, threshold
from spendmeter_stream.guard.values import Key, Reading, Window

BURN_SCORE: Final = 3.0
"""A burn counts only where the hour is unusual too: whoever uses a month's budget on four Mondays burns each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to tell about one key. Amounts are USD."""

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


def find(reading: Reading, *, floor: float) -> list[Finding]:
    """Everything that is wrong at `reading.at`, at most one finding for each kind and key.

    :param floor: USD above the usual in an hour, below which nothing is a spike.
    """
    states, _ = judge_budgets(reading)
    scores = spike_scores(reading, floor=floor)
    return [*_spikes(reading, scores, floor=floor), *_burns(states, reading, scores), *_budgets(states)]


def spike_scores(reading: Reading, *, floor: float) -> dict[Key, float]:
    """The score of every key that has a baseline."""
    return {
        key: score(float(reading.spend_of(key).hour), baseline, floor=floor)
        for key, baseline in reading.baselines.items()
    }


def _spikes(reading: Reading, scores: Mapping[Key, float], *, floor: float) -> Iterator[Finding]:
    high = {key: value for key, value in scores.items() if value > SPIKE_SCORE}
    in_an_org = {key.name for key in high if key.scope == "feature" and key.org_id}
    for key, value in high.items():
        # Over all orgs it is the same feature's spike once more.
        if key.scope != "feature" or key.org_id or key.name not in in_an_org:
            baseline = reading.baselines[key]
            yield Finding(
                kind="spike",
                severity="critical",
                key=key,
                window="1h",
                spend=reading.spend_of(key).hour,
                limit=threshold(baseline, floor=floor),
                expected=expected(baseline.same_hours),
                score=value,
            )


def _burns(states: Sequence[BudgetState], reading: Reading, scores: Mapping[Key, float]) -> Iterator[Finding]:
    for state in states:
        if scores.get(state.key, 0.0) <= BURN_SCORE:
            continue
        for pair in burn_pairs(state.key.scope):
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


def _budgets(states: Sequence[BudgetState]) -> Iterator[Finding]:
    for state in states:
        if state.used >= NEARLY_USED:
            over = state.used >= 1
            yield Finding(
                kind="budget",
                severity="critical" if over else "warning",
                key=state.key,
                window="month_to_date",
                spend=state.spent,
                limit=float(state.usd) * (1.0 if over else NEARLY_USED),
                budget=state,
            )
