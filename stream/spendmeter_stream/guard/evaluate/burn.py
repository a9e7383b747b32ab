"""Evaluate budgets: the used share of the month, and the burn rate. Pure."""

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
    """Two windows that must both exceed `ratio`. The short one resolves the alert soon after the spend stops."""

    long: Window
    short: Window
    ratio: float
    severity: AlertSeverity


def burn_pairs(limits: ScopeThresholds) -> tuple[BurnPair, ...]:
    """Return the burn pairs of `limits`, most severe first."""
    return BurnPair("1h", "15m", limits.burn_fast, "critical"), BurnPair("6h", "1h", limits.burn_slow, "warning")


@dataclass(frozen=True, slots=True)
class BudgetState:
    """State of one budget."""

    budget: Budget
    key: Key
    usd: Decimal
    """Amount of the month, in USD at the rate in force."""
    spent: Decimal
    """Spend of the month to date, USD."""
    used: float
    """spent ÷ usd."""
    burn: Mapping[Window, float]
    """Spend of the window ÷ the budget's even share of it; 1 uses up the budget exactly at the end of the month."""


def evaluate_budgets(reading: Reading) -> tuple[list[BudgetState], list[Budget]]:
    """Return the state of every budget, and the unevaluated budgets, whose currency has no rate.

    The smallest of several budgets of one key counts.
    """
    states: dict[Key, BudgetState] = {}
    unevaluated: list[Budget] = []
    for budget in reading.budgets:
        rate = Decimal(1) if budget.currency == "USD" else reading.rates.get(budget.currency)
        if rate is None:
            unevaluated.append(budget)
        elif budget.amount > 0:
            state = _state(reading, budget, budget.amount / rate)
            if state.key not in states or state.usd < states[state.key].usd:
                states[state.key] = state
    return list(states.values()), unevaluated


def _state(reading: Reading, budget: Budget, usd: Decimal) -> BudgetState:
    key = key_of(budget)
    start, end = reading.month(key)
    hours = (end - start).total_seconds() / 3600
    spend = reading.spend_of(key)
    windows = spend.windows()
    burn = {window: float(windows[window] / usd) * hours / length for window, length in _HOURS.items()}
    return BudgetState(budget, key, usd, spend.month, float(spend.month / usd), burn)
