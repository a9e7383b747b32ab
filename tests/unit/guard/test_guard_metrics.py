"""Exported metrics of the guard: a bounded number of series, and one for the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from spendmeter_stream.guard import metrics
from spendmeter_stream.guard.evaluate.thresholds import default_thresholds
from spendmeter_stream.guard.values import TOTAL, Baseline, Key, Reading
from tests.support.spend import ACME, ANN, CHAT, CHAT_OF_ALL, budget, reading, spend, usual


@pytest.fixture
def shown() -> Iterator[metrics.ExportedRows]:
    shown = metrics.ExportedRows()
    yield shown
    shown.clear()


def value(name: str, key: Key, **more: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"scope": key.scope, "org": key.org_id, "key": key.name, **more})


def rows(name: str) -> int:
    return sum(len(metric.samples) for metric in REGISTRY.collect() if metric.name == name)


def test_every_figure_has_its_row(shown: metrics.ExportedRows) -> None:
    at = reading(
        {ACME: spend(1, 2, 6, 50), ANN: spend(hour=1.5), TOTAL: spend(2, 4, 8, 70)},
        {ACME: usual(0.5, busy=1.0), ANN: usual(0.0, busy=1.0)},
        [budget(ACME, 200)],
    )
    shown.replace(at, thresholds=default_thresholds())
    windows = {
        window: value("spendmeter_spend_usd", ACME, window=window) for window in ("15m", "1h", "6h", "month_to_date")
    }
    assert windows == {"15m": 1.0, "1h": 2.0, "6h": 6.0, "month_to_date": 50.0}
    assert value("spendmeter_spend_expected_usd", ACME) == 0.5
    assert value("spendmeter_spend_spike_score", ANN) == 3.0
    assert value("spendmeter_budget_usd", ACME) == 200
    assert value("spendmeter_budget_used_ratio", ACME) == 0.25
    assert value("spendmeter_budget_burn_ratio", ACME, window="15m") == pytest.approx(14.4)
    assert value("spendmeter_spend_usd", Key("org", "", "other"), window="month_to_date") == 20


def test_every_finding_that_alerts_is_a_row_with_its_severity(shown: metrics.ExportedRows) -> None:
    spent = {ACME: spend(hour=30, month=96), ANN: spend(hour=20), TOTAL: spend(hour=30)}
    new = {ANN: Baseline((), 0.0, history_days=0), ACME: usual(0.5, busy=1.0)}
    at = reading(spent, new, [budget(ACME, 100)])
    shown.replace(at, thresholds=default_thresholds())
    for key, kind, severity, figure in (
        (ACME, "spike", "critical", 6 * 29.5 / 3),
        (ANN, "spike", "warning", 60),
        (ACME, "budget", "warning", 0.96),
    ):
        assert value("spendmeter_spend_finding", key, kind=kind, severity=severity) == pytest.approx(figure)
    shown.replace(reading({}), thresholds=default_thresholds())
    assert rows("spendmeter_spend_finding") == 0


def many(number: int) -> Reading:
    """Return `count` orgs, users and features in orgs, each with a budget."""
    keys = [
        key
        for n in range(number)
        for key in (Key("org", f"o{n}", f"o{n}"), Key("user", f"o{n}", "u"), Key("feature", f"o{n}", "f"))
    ]
    spent = {key: spend(hour=index % 7, month=10 + index) for index, key in enumerate(keys)}
    return reading(spent, dict.fromkeys(keys, usual(1.0)), [budget(key, 50) for key in keys])


def test_the_number_of_rows_is_bounded(shown: metrics.ExportedRows) -> None:
    shown.replace(many(5000), thresholds=default_thresholds())
    most = 3 * (metrics.MOST_BUDGETS + 2 * metrics.MOST_SPENDERS + 1)
    assert rows("spendmeter_spend_usd") <= most * 4
    assert rows("spendmeter_spend_finding") <= 2 * metrics.MOST_FINDINGS
    for name in ("spendmeter_budget_usd", "spendmeter_spend_spike_score", "spendmeter_spend_expected_usd"):
        assert 0 < rows(name) <= most


def test_the_top_spender_of_the_hour_is_exported_despite_a_small_month(shown: metrics.ExportedRows) -> None:
    crowd = many(500)
    thief = Key("user", "o1", "thief")
    shown.replace(reading({**crowd.spend, thief: spend(hour=90, month=90)}), thresholds=default_thresholds())
    assert value("spendmeter_spend_usd", thief, window="1h") == 90


def test_removed_rows_disappear_and_a_former_leader_exports_none(shown: metrics.ExportedRows) -> None:
    shown.replace(reading({ACME: spend(1), CHAT: spend(1)}, budgets=[budget(ACME, 5)]), thresholds=default_thresholds())
    shown.replace(reading({CHAT: spend(2)}, budgets=[budget(CHAT, 5, "XXX")]), thresholds=default_thresholds())
    assert value("spendmeter_spend_usd", ACME, window="1h") is None
    assert value("spendmeter_spend_usd", CHAT, window="1h") == 2
    assert rows("spendmeter_budget_usd") == 0
    assert REGISTRY.get_sample_value("spendmeter_budgets_unevaluated") == 1
    shown.clear()
    assert rows("spendmeter_spend_usd") == 0
    assert REGISTRY.get_sample_value("spendmeter_budgets_unevaluated") == 0


def test_a_feature_called_other_is_part_of_the_rest(shown: metrics.ExportedRows) -> None:
    named = Key("feature", "", "other")
    shown.replace(
        reading({named: spend(3), CHAT_OF_ALL: spend(1), TOTAL: spend(5)}, budgets=[budget(named, 9)]),
        thresholds=default_thresholds(),
    )
    assert value("spendmeter_spend_usd", named, window="1h") == 4
    assert value("spendmeter_budget_usd", named) is None
