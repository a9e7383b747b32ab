"""Use and burn rate of budgets, in the budget's currency and the org's month."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spendmeter_stream.guard.evaluate.burn import evaluate_budgets
from spendmeter_stream.guard.evaluate.findings import Finding, find
from spendmeter_stream.guard.evaluate.thresholds import default_thresholds
from spendmeter_stream.guard.values import Baseline, Key, Reading, Spend
from tests.support.spend import ACME, ANN, CHAT, CHAT_OF_ALL, budget, reading, spend, usual


def found(reading: Reading) -> list[tuple[str, str, Key]]:
    return [(finding.kind, finding.severity, finding.key) for finding in find(reading, thresholds=default_thresholds())]


def test_use_and_burn_of_a_month_of_720_hours() -> None:
    (state,), unknown = evaluate_budgets(reading({ACME: spend(1, 2, 6, 50)}, budgets=[budget(ACME, 200)]))
    assert not unknown
    assert (state.usd, state.spent, state.used) == (Decimal(200), Decimal(50), 0.25)
    # A quarter's even share is 200 / 2880, an hour's 200 / 720.
    assert state.burn == pytest.approx({"15m": 14.4, "1h": 7.2, "6h": 3.6})


def test_an_amount_in_rupees_is_judged_at_the_rate_in_force() -> None:
    rates = {"INR": Decimal(80)}
    (state,), _ = evaluate_budgets(reading({ACME: spend(month=5)}, budgets=[budget(ACME, 800, "INR")], rates=rates))
    assert (state.usd, state.used) == (Decimal(10), 0.5)


def test_a_budget_without_a_rate_is_named_and_stops_no_other() -> None:
    budgets = [budget(ACME, 800, "INR"), budget(ANN, 1, number=2)]
    states, unknown = evaluate_budgets(reading({ANN: spend(month=2)}, budgets=budgets))
    assert [state.key for state in states] == [ANN]
    assert unknown == [budgets[0]]


def test_of_several_budgets_of_a_key_the_smallest_counts() -> None:
    budgets = [budget(ACME, 90, number=1), budget(ACME, 30, number=2), budget(ACME, 60, number=3)]
    (state,), _ = evaluate_budgets(reading({}, budgets=budgets))
    assert state.usd == 30


def test_the_month_is_the_orgs_own() -> None:
    """On 31 October at 20:00 UTC it is November in Kolkata, with 30 days; in UTC it is October, with 31."""
    at = datetime(2026, 10, 31, 20, tzinfo=UTC)
    zones = {"acme": ZoneInfo("Asia/Kolkata")}
    spent = {ACME: spend(hour=1), CHAT_OF_ALL: spend(hour=1)}
    states, _ = evaluate_budgets(
        reading(spent, budgets=[budget(ACME, 720), budget(CHAT_OF_ALL, 744, number=2)], at=at, zones=zones)
    )
    assert [state.burn["1h"] for state in states] == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(
    ("month", "expected"),
    [(89, []), (90, [("budget", "warning", ACME)]), (100, [("budget", "critical", ACME)])],
)
def test_a_budget_that_fills_up(month: float, expected: list[object]) -> None:
    assert found(reading({ACME: spend(month=month)}, budgets=[budget(ACME, 100)])) == expected


@pytest.mark.parametrize(
    ("key", "spent", "baseline", "severity"),
    [
        # 1000 USD per month are 1.39 per hour; 21 in an hour are 15 times that.
        (ACME, spend(quarter=6, hour=21), usual(1.0, busy=6.0), "critical"),
        # The last quarter-hour shows that it is over.
        (ACME, spend(quarter=1, hour=21), usual(1.0, busy=6.0), None),
        # Usual at this hour of this weekday: a budget that is spent in four bursts.
        (
            ACME,
            spend(quarter=6, hour=21),
            Baseline(tuple(20.0 if d in (7, 14) else 0.0 for d in range(1, 15)), 20),
            None,
        ),
        # Six hours of its busy rate, or of much more.
        (ACME, spend(quarter=3, hour=12, six_hours=60), usual(1.0, busy=10.0), None),
        (ACME, spend(quarter=3, hour=12, six_hours=60), usual(1.0, busy=3.0), "warning"),
        (CHAT, spend(quarter=6, hour=21), usual(1.0, busy=6.0), "critical"),
        # Users work in bursts: a fiftieth of the month in an hour is normal, a fifth is not.
        (ANN, spend(quarter=6, hour=21), usual(0.0, busy=6.0), None),
        (ANN, spend(quarter=60, hour=201), usual(0.0, busy=140.0), None),
        (ANN, spend(quarter=60, hour=201), usual(0.0, busy=50.0), "critical"),
        # There is no usual spend for keys that spend almost nothing.
        (ANN, spend(quarter=60, hour=201), None, None),
    ],
)
def test_burn_rates_over_the_limit_are_found(
    key: Key, spent: Spend, baseline: Baseline | None, severity: str | None
) -> None:
    at = reading({key: spent}, {key: baseline} if baseline else {}, [budget(key, 1000)])
    burns = [finding for finding in find(at, thresholds=default_thresholds()) if finding.kind == "burn"]
    assert [(finding.severity, finding.key) for finding in burns] == ([(severity, key)] if severity else [])


def test_a_spike_of_a_feature_in_an_org_is_not_repeated_for_all_orgs() -> None:
    spent = {ACME: spend(hour=9), CHAT: spend(hour=9), CHAT_OF_ALL: spend(hour=9)}
    same = dict.fromkeys(spent, usual(0.0, busy=0.5))
    assert found(reading(spent, same)) == [("spike", "critical", ACME), ("spike", "critical", CHAT)]
    # But many orgs together may cause an alert that none causes alone.
    spread_out = {CHAT: spend(hour=1), CHAT_OF_ALL: spend(hour=9)}
    assert found(reading(spread_out, same)) == [("spike", "critical", CHAT_OF_ALL)]


def test_a_finding_names_the_limit_that_was_passed() -> None:
    at = reading({ACME: spend(quarter=6, hour=30, month=99)}, {ACME: usual(1.0, busy=4.0)}, [budget(ACME, 100)])
    limits = {finding.kind: round(finding.limit, 3) for finding in find(at, thresholds=default_thresholds())}
    assert limits == {"spike": 13.0, "burn": 2.0, "budget": 90.0}


amounts = st.decimals(min_value=0, max_value=10**6, places=6)
spends = st.builds(Spend, amounts, amounts, amounts, amounts)


@given(spends, st.decimals(min_value="0.01", max_value=10**6, places=2))
def test_there_is_at_most_one_finding_of_a_kind_and_a_larger_budget_never_makes_more(
    spent: Spend, amount: Decimal
) -> None:
    def kinds(factor: int) -> list[Finding]:
        one = budget(ACME, float(amount) * factor)
        return find(reading({ACME: spent}, {ACME: usual(0.0, busy=1.0)}, [one]), thresholds=default_thresholds())

    tight, loose = kinds(1), kinds(3)
    names = [finding.kind for finding in tight]
    assert len(names) == len(set(names))
    assert {finding.kind for finding in loose} <= set(names)
