"""Evaluate budgets: the used share of the month, and the burn rate. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from spendmeter_clickhouse.budgets import Budget
from spendmeter_clickhouse.budgets.states import usd_amount
from spendmeter_events.alert import AlertSeverity
from spendmeter_stream.guard.evaluate.thresholds import ScopeThresholds
from spendmeter_stream.guard.values import PLAIN_SCOPES, Key, Reading, Window, key_of

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
    user_id: str = ""
    """Of a default: the user."""
    month: tuple[datetime, datetime] | None = None


def budget_states(reading: Reading) -> tuple[list[BudgetState], list[Budget]]:
    """Return the states of all budgets, one per user of a default, and the budgets whose currency has no rate."""
    states: list[BudgetState] = []
    unevaluated: list[Budget] = []
    for budget in reading.budgets:
        usd = usd_amount(budget, reading.rates)
        if usd is not None:
            states += _states(reading, budget, usd)
        elif budget.amount > 0:
            unevaluated.append(budget)
    return states, unevaluated


def evaluate_budgets(reading: Reading) -> tuple[list[BudgetState], list[Budget]]:
    """Return the state of every key with a budget, and the unevaluated budgets, whose currency has no rate.

    The most used of several budgets of one key counts, of unused ones the smallest.
    """
    found, unevaluated = budget_states(reading)
    states: dict[Key, BudgetState] = {}
    for state in found:
        other = states.get(state.key)
        if other is None or (state.used, -state.usd) > (other.used, -other.usd):
            states[state.key] = state
    return list(states.values()), unevaluated


def _states(reading: Reading, budget: Budget, usd: Decimal) -> Iterator[BudgetState]:
    apart = reading.budget_spend.get(budget.budget_id)
    if apart is None and not budget.per_user:
        yield _state(reading, budget, usd)
    for user_id, spent in (apart or {}).items():
        yield _state(reading, budget, usd, user_id=user_id, spent=spent)


def _state(
    reading: Reading, budget: Budget, usd: Decimal, *, user_id: str = "", spent: Decimal | None = None
) -> BudgetState:
    key = key_of(budget, user_id)
    start, end = reading.month(key)
    hours = (end - start).total_seconds() / 3600
    spend = reading.spend_of(key)
    windows = spend.windows()
    month = spend.month if spent is None else spent
    # Burns are found only for keys whose usual spend is known.
    burn = (
        {window: float(windows[window] / usd) * hours / length for window, length in _HOURS.items()}
        if key.scope in PLAIN_SCOPES
        else {}
    )
    return BudgetState(budget, key, usd, month, float(month / usd), burn, user_id, (start, end))
