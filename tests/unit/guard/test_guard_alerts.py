"""Alerts: their content, and how often they are sent."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from spendmeter_events.alert import BudgetLine, SpendAlert
from spendmeter_stream.guard.evaluate.burn import burn_pairs
from spendmeter_stream.guard.evaluate.findings import Finding, find
from spendmeter_stream.guard.evaluate.thresholds import default_thresholds
from spendmeter_stream.guard.notify.alerts import REPEAT, AlertHistory, to_alert
from tests.support.spend import ACME, ANN, NOW, budget, reading, spend, usual

PAGE = Path(__file__).parents[3] / "docs" / "alerts.md"
MINUTE = timedelta(minutes=1)
SPIKE = Finding(
    kind="spike", severity="critical", key=ANN, window="1h", spend=Decimal(30), limit=13.0, expected=1.5, score=9.25
)
NEARLY = Finding(kind="budget", severity="warning", key=ACME, window="month_to_date", spend=Decimal(95), limit=90.0)
USED = Finding(kind="budget", severity="critical", key=ACME, window="month_to_date", spend=Decimal(101), limit=100.0)


def send(history: AlertHistory, finding: Finding, *, minutes: float) -> SpendAlert | None:
    """Return the alert sent `minutes` after `NOW`, and record it."""
    alerts = history.pending([finding], at=NOW + minutes * MINUTE)
    history.record(alerts)
    return alerts[0] if alerts else None


def test_a_lasting_alert_repeats_hourly_and_keeps_since() -> None:
    history = AlertHistory()
    times = [minute for minute in range(0, 181, 5) if send(history, SPIKE, minutes=minute)]
    assert times == [0, 60, 120, 180]
    again = send(history, SPIKE, minutes=240)
    assert again is not None
    assert (again.since, again.at) == (NOW, NOW + 240 * MINUTE)


def test_a_resolved_alert_is_sent_at_once_as_new() -> None:
    history = AlertHistory()
    assert send(history, SPIKE, minutes=0)
    late = send(history, SPIKE, minutes=300)
    assert late is not None
    assert late.since == late.at


def test_an_alert_that_was_not_sent_stays_pending() -> None:
    history = AlertHistory()
    assert history.pending([SPIKE], at=NOW)
    assert history.pending([SPIKE], at=NOW + MINUTE)


def test_a_worse_alert_is_sent_at_once_and_a_better_one_is_not() -> None:
    history = AlertHistory()
    assert send(history, NEARLY, minutes=0)
    assert send(history, USED, minutes=1)
    assert send(history, NEARLY, minutes=2) is None


def test_a_used_up_budget_is_sent_once_a_day() -> None:
    history = AlertHistory()
    times = [hour for hour in range(72) if send(history, USED, minutes=60 * hour)]
    assert times == [0, 24, 48]
    assert REPEAT["budget"] == timedelta(days=1)


def test_the_next_leader_restores_the_history_from_the_topic() -> None:
    """Given the records of the topic, when another worker leads, then it repeats no alert and keeps `since`."""
    first, second = AlertHistory(), AlertHistory()
    record = to_alert(SPIKE, at=NOW, since=NOW - 60 * MINUTE).to_json()
    first.record([SpendAlert.model_validate_json(record)])
    assert send(first, SPIKE, minutes=59) is None
    assert send(second, SPIKE, minutes=59) is not None
    alert = send(first, SPIKE, minutes=60)
    assert alert is not None
    assert alert.since == NOW - 60 * MINUTE


def test_an_alert_names_key_window_and_amounts() -> None:
    alert = to_alert(SPIKE, at=NOW, since=NOW)
    assert json.loads(alert.to_json()) == {
        "schema_version": 1,
        "alert_id": str(alert.alert_id),
        "fingerprint": alert.fingerprint,
        "kind": "spike",
        "severity": "critical",
        "scope": "user",
        "org_id": "acme",
        "key": "ann",
        "at": "2026-11-16T09:07:00.000+00:00",
        "since": "2026-11-16T09:07:00.000+00:00",
        "window": "1h",
        "spend_usd": "30",
        "limit_usd": "13.000000",
        "expected_usd": "1.500000",
        "score": 9.25,
        "summary": "user ann of acme spent 30.00 USD in an hour in which 1.50 USD are usual",
    }
    assert alert.record_key == alert.fingerprint.encode()


def test_an_alert_about_a_budget_names_it() -> None:
    at = reading(
        {ACME: spend(quarter=8, hour=30, month=99)},
        {ACME: usual(1.0, busy=9.0)},
        [budget(ACME, 8000, "INR", number=7)],
        rates={"INR": Decimal(80)},
    )
    alerts = AlertHistory().pending(find(at, thresholds=default_thresholds()), at=NOW)
    assert [(alert.kind, alert.summary) for alert in alerts] == [
        ("spike", "org acme spent 30.00 USD in an hour in which 1.00 USD are usual"),
        ("burn", "org acme burns its budget 216.0 times too fast over 1h"),
        ("budget", "org acme has used 99% of this month's budget"),
    ]
    assert len({alert.fingerprint for alert in alerts}) == 3
    line = json.loads(alerts[2].to_json())["budget"]
    assert line == {
        "budget_id": "00000000-0000-0000-0000-000000000007",
        "amount": "8000",
        "currency": "INR",
        "usd": "100.000000",
        "used_ratio": 0.99,
        "threshold": 0.9,
    }


def test_a_later_versions_field_is_no_reason_to_forget_an_alert() -> None:
    record = json.loads(to_alert(SPIKE, at=NOW, since=NOW).to_json()) | {"invented_later": 1}
    assert SpendAlert.model_validate_json(json.dumps(record)).key == "ann"


def test_every_field_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", PAGE.read_text()))
    assert set(SpendAlert.model_fields) | set(BudgetLine.model_fields) <= explained


def test_the_limits_are_those_of_the_page() -> None:
    page = PAGE.read_text()
    limits = default_thresholds().org
    assert f"score is above {limits.spike_score:g} |" in page
    assert page.count(f"score is above {limits.burn_score:g} |") == 2
    for pair in burn_pairs(limits):
        assert f"more than {pair.ratio:g} times too fast" in page
