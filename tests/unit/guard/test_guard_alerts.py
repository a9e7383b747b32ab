"""Alerts: what they say, and how often they are told."""

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
from spendmeter_stream.guard.notify.alerts import REPEAT, Memory, to_alert
from tests.support.spend import ACME, ANN, NOW, budget, reading, spend, usual

PAGE = Path(__file__).parents[3] / "docs" / "alerts.md"
MINUTE = timedelta(minutes=1)
SPIKE = Finding(
    kind="spike", severity="critical", key=ANN, window="1h", spend=Decimal(30), limit=13.0, expected=1.5, score=9.25
)
NEARLY = Finding(kind="budget", severity="warning", key=ACME, window="month_to_date", spend=Decimal(95), limit=90.0)
USED = Finding(kind="budget", severity="critical", key=ACME, window="month_to_date", spend=Decimal(101), limit=100.0)


def told(memory: Memory, finding: Finding, *, minutes: float) -> SpendAlert | None:
    """What is told so many minutes after `NOW`, and remember it."""
    alerts = memory.due([finding], at=NOW + minutes * MINUTE)
    memory.remember(alerts)
    return alerts[0] if alerts else None


def test_what_stays_true_is_told_once_an_hour_and_knows_since_when() -> None:
    memory = Memory()
    times = [minute for minute in range(0, 181, 5) if told(memory, SPIKE, minutes=minute)]
    assert times == [0, 60, 120, 180]
    again = told(memory, SPIKE, minutes=240)
    assert again is not None
    assert (again.since, again.at) == (NOW, NOW + 240 * MINUTE)


def test_what_was_over_is_told_at_once_and_as_new() -> None:
    memory = Memory()
    assert told(memory, SPIKE, minutes=0)
    late = told(memory, SPIKE, minutes=300)
    assert late is not None
    assert late.since == late.at


def test_what_could_not_be_told_is_due_again() -> None:
    memory = Memory()
    assert memory.due([SPIKE], at=NOW)
    assert memory.due([SPIKE], at=NOW + MINUTE)


def test_what_gets_worse_is_told_at_once_and_what_gets_better_is_not() -> None:
    memory = Memory()
    assert told(memory, NEARLY, minutes=0)
    assert told(memory, USED, minutes=1)
    assert told(memory, NEARLY, minutes=2) is None


def test_a_used_up_budget_is_told_once_a_day() -> None:
    memory = Memory()
    times = [hour for hour in range(72) if told(memory, USED, minutes=60 * hour)]
    assert times == [0, 24, 48]
    assert REPEAT["budget"] == timedelta(days=1)


def test_the_next_leader_reads_what_was_told_and_goes_on() -> None:
    """Given the records of the topic, when another worker leads, then it repeats nothing and keeps `since`."""
    first, second = Memory(), Memory()
    record = to_alert(SPIKE, at=NOW, since=NOW - 60 * MINUTE).to_json()
    first.remember([SpendAlert.model_validate_json(record)])
    assert told(first, SPIKE, minutes=59) is None
    assert told(second, SPIKE, minutes=59) is not None
    alert = told(first, SPIKE, minutes=60)
    assert alert is not None
    assert alert.since == NOW - 60 * MINUTE


def test_an_alert_says_who_what_and_how_much() -> None:
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
    alerts = Memory().due(find(at, thresholds=default_thresholds()), at=NOW)
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
