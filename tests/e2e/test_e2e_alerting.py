"""From an emitted call to a pager: embedded stack, spend guard, Prometheus, Alertmanager, all of them real."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from spendmeter_events import KafkaConnection, SyncUsageProducer, UsageEvent
from spendmeter_events.alert import SpendAlert
from spendmeter_events.topics import ALERTS
from spendmeter_events.traffic import INCIDENTS
from tests.support.alerting import alertmanager, ask, pager, prometheus, tool
from tests.support.kafka.topic import read_topic
from tests.support.stack import running, wait_until

ORG = "sunrise-delhi"


def emit_runaway(bootstrap: str) -> None:
    """The last two minutes of an agent that does not stop: about 12 USD."""
    start = datetime.now(UTC) - timedelta(minutes=2)
    with SyncUsageProducer(connection=KafkaConnection(bootstrap_servers=bootstrap)) as producer:
        for _, value in INCIDENTS["runaway_loop"](seed=1, start=start, minutes=2):
            producer.emit(UsageEvent.model_validate_json(value))


@pytest.mark.promtool
@pytest.mark.timeout(900)
def test_a_runaway_reaches_the_pager_of_the_platform_and_of_the_org(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for names in (("prometheus",), ("prometheus-alertmanager", "alertmanager")):
        tool(*names)
    monkeypatch.setenv("SPENDMETER_GUARD_INTERVAL_SECONDS", "1")
    with (
        running(tmp_path / "data") as stack,
        pager() as pages,
        alertmanager(tmp_path, pages.url) as manager,
        prometheus(tmp_path, urlsplit(stack.note["url"]).netloc, manager) as rules,
    ):
        wait_until(lambda: stack.metric("spendmeter_spend_guard_last_run_timestamp_seconds") > 0)
        emit_runaway(stack.note["bootstrap"])
        spike = {"alertname": "SpendSpike", "scope": "org", "org": ORG}
        wait_until(lambda: bool(pages.got("/spendmeter", **spike) and pages.got(f"/{ORG}", **spike)))
        (page,) = pages.got("/spendmeter", **spike)[:1]
        assert page["labels"]["severity"] == "critical"
        assert page["annotations"]["runbook_url"].endswith("/docs/runbooks/spend-spike.md")
        assert "runbooks" not in page["labels"]
        # What woke nobody: every rule was evaluated, and no other found anything to say.
        groups = ask(f"{rules}/api/v1/rules")["groups"]
        assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
        assert {alert["labels"]["alertname"] for alerts in pages.alerts.values() for alert in alerts} == {"SpendSpike"}
        assert stack.metric(f'spendmeter_spend_usd{{key="{ORG}",org="{ORG}",scope="org",window="1h"}}') > 5
        told = told_in_topic(stack.note["bootstrap"])
    assert ("spike", "org", ORG) in {(alert.kind, alert.scope, alert.key) for alert in told}


def told_in_topic(bootstrap: str) -> list[SpendAlert]:
    """What the guard wrote to its topic."""
    records = asyncio.run(read_topic(KafkaConnection(bootstrap_servers=bootstrap), ALERTS, count=1))
    return [SpendAlert.model_validate_json(record.value or b"") for record in records]
