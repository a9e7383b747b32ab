"""Budgets against spend: how much of the month's is used, and how fast. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spendmeter_clickhouse.budgets import Budget
from spendmeter_events.alert import AlertSeverity
from spendmeter_stream.guard.evaluate.thresholds import ScopeThresholds
from spendmeter_stream.guard.values import Key, Reading, Window, key_of

_HOURS: Final[Mapping[Window, float]] = {"15m": 0.25, "1h": 1.0, "6h": 6.0}


@dataclass(frozen=True, slots=True)
class BurnPair:
    """A burn is an alert where both windows are above `ratio`: the short one ends it soon after the spend does."""

    long: Window
    short: Window
    ratio: float
    severity: AlertSeverity


def burn_pairs(limits: ScopeThresholds) -> tuple[BurnPair, ...]:
    """What is too fast for a budget with these `limits`, the worst first."""
    return BurnPair("1h", "15m", limits.burn_fast, "critical"), BurnPair("6h", "1h", limits.burn_slow, "warning")


@dataclass(frozen=True, slots=True)
class BudgetState:
    """One budget and what became of it by now."""

    budget: Budget
    key: Key
    usd: Decimal
    """The month's amount, in USD at the rate in force."""
    spent: Decimal
    """USD of the month to date."""
    used: float
    """spent ÷ usd."""
    burn: Mapping[Window, float]
    """Spend of the window ÷ the even share of it; 1 uses the budget up exactly at the month's end."""


def judge_budgets(reading: Reading) -> tuple[list[BudgetState], list[Budget]]:
    """The state of every budget, and the budgets that cannot be judged: their currency has no rate.

    Of several budgets about the same key the smallest counts.
    """
    states: dict[Key, BudgetState] = {}
    unknown: list[Budget] = []
    for budget in reading.budgets:
        rate = Decimal(1) if budget.currency == "USD" else reading.rates.get(budget.currency)
        if rate is None:
            unknown.append(budget)
        elif budget.amount > 0:
            state = _state(reading, budget, budget.amount / rate)
            if state.key not in states or state.usd < states[state.key].usd:
                states[state.key] = state
    return list(states.values()), unknown


def _state(reading: Reading, budget: Budget, usd: Decimal) -> BudgetState:
    key = key_of(budget)
    start, end = reading.month(key)
    hours = (end - start).total_seconds() / 3600
    spend = reading.spend_of(key)
    windows = spend.windows()
    burn = {window: float(windows[window] / usd) * hours / length for window, length in _HOURS.items()}
    return BudgetState(budget, key, usd, spend.month, float(spend.month / usd), burn)
