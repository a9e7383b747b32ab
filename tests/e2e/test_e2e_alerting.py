"""From an emitted call to a pager: a real embedded stack, spend guard, Prometheus and Alertmanager."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from spendmeter_events import KafkaConnection, SyncUsageProducer, UsageEvent
from spendmeter_events.alert import SpendAlert
from spendmeter_events.topics import ALERTS
from spendmeter_events.traffic import INCIDENTS
from tests.support.alerting import alertmanager, ask, pager, prometheus, tool
from tests.support.kafka.topic import read_topic
from tests.support.stack import RunningStack, running, wait_until

ORG = "sunrise-delhi"
STORED = 'spendmeter_events_total{outcome="stored"}'
LAST_RUN = "spendmeter_spend_guard_last_run_timestamp_seconds"


def emit(stack: RunningStack, events: Iterable[UsageEvent]) -> int:
    """Emit `events`, wait until they are stored, and return their number."""
    before, count = stack.metric(STORED), 0
    with SyncUsageProducer(connection=KafkaConnection(bootstrap_servers=stack.note["bootstrap"])) as producer:
        for event in events:
            producer.emit(event)
            count += 1
    wait_until(lambda: stack.metric(STORED) >= before + count)
    return count


def runaway() -> Iterable[UsageEvent]:
    """Return the last two minutes of a runaway agent: about 12 USD."""
    start = datetime.now(UTC) - timedelta(minutes=2)
    for _, value in INCIDENTS["runaway_loop"](seed=1, start=start, minutes=2):
        yield UsageEvent.model_validate_json(value)


def ordinary(now: datetime) -> Iterable[UsageEvent]:
    """Return 27.50 USD of calls in the last hour, over three schools, their users and features."""
    for school, calls in (("school-a", 5), ("school-b", 4), ("school-c", 2)):
        for call in range(calls):
            yield million_tokens(school, now - timedelta(minutes=5 * call + 1), user=f"{school}-u{call}")


def past(now: datetime) -> Iterable[UsageEvent]:
    """Return one call on each of the last twelve days."""
    for day in range(1, 13):
        yield million_tokens(ORG, now - timedelta(days=day), user="teacher")


def million_tokens(org: str, at: datetime, *, user: str) -> UsageEvent:
    """2.50 USD."""
    return UsageEvent(
        event_id=uuid4(),
        org_id=org,
        user_id=user,
        occurred_at=at,
        feature="chat" if at.minute % 2 else "grading",
        action="chat",
        service="app",
        provider="openai",
        model="gpt-4o",
        input_tokens=1_000_000,
    )


@pytest.mark.promtool
@pytest.mark.timeout(900)
def test_ordinary_traffic_of_a_new_platform_raises_no_alert_and_a_runaway_raises_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for names in (("prometheus",), ("prometheus-alertmanager", "alertmanager")):
        tool(*names)
    monkeypatch.setenv("SPENDMETER_GUARD_INTERVAL_SECONDS", "1")
    now = datetime.now(UTC)
    with running(tmp_path / "fresh") as stack:
        emit(stack, ordinary(now))
        # School A spent 12.50 USD and has no history: a warning.
        wait_until(lambda: stack.metric(finding("spike", "warning", "school-a")) > 6)
        assert not stack.metric(finding("spike", "critical", "school-a"))
    with running(tmp_path / "data") as stack:
        emit(stack, past(now))
    # The usual spend is read every 15 minutes and at the start.
    with (
        running(tmp_path / "data") as stack,
        pager() as pages,
        alertmanager(tmp_path, pages.url) as manager,
        prometheus(tmp_path, urlsplit(stack.note["url"]).netloc, manager) as rules,
    ):
        wait_until(lambda: stack.metric(LAST_RUN) > 0)
        emit(stack, runaway())
        spike = {"alertname": "SpendSpike", "org": ORG}
        wait_until(lambda: bool(pages.got("/spendmeter", **spike) and pages.got(f"/{ORG}", **spike)))
        page = pages.got("/spendmeter", **spike)[0]
        assert page["labels"]["severity"] == "critical"
        assert page["annotations"]["runbook_url"].endswith("/runbooks/spend-spike.md")
        assert "runbooks" not in page["labels"]
        assert not {"instance", "job"} & page["labels"].keys()
        # Every rule was evaluated, and no other alert fired.
        groups = ask(f"{rules}/api/v1/rules")["groups"]
        assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
        assert {alert["labels"]["alertname"] for alerts in pages.alerts.values() for alert in alerts} == {"SpendSpike"}
        paged = [body for path, body in pages.pages if path == "/spendmeter"]
        assert len({body["groupKey"] for body in paged}) == 1
        assert {alert["labels"]["org"] for body in paged for alert in body["alerts"]} == {ORG}
        assert stack.metric(f'spendmeter_spend_usd{{key="{ORG}",org="{ORG}",scope="org",window="1h"}}') > 5
        alerts = alerts_in_topic(stack.note["bootstrap"])
    assert ("spike", "org", ORG) in {(alert.kind, alert.scope, alert.key) for alert in alerts}


def finding(kind: str, severity: str, org: str) -> str:
    """Return the metric of an org's finding in Prometheus' notation."""
    return f'spendmeter_spend_finding{{key="{org}",kind="{kind}",org="{org}",scope="org",severity="{severity}"}}'


def alerts_in_topic(bootstrap: str) -> list[SpendAlert]:
    """Return the alerts in the guard's topic."""
    records = asyncio.run(read_topic(KafkaConnection(bootstrap_servers=bootstrap), ALERTS, count=1))
    return [SpendAlert.model_validate_json(record.value or b"") for record in records]
