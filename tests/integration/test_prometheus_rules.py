"""The alert rules, by Prometheus' own tools: valid, firing and not firing, each with a runbook page."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from spendmeter_stream.guard.burn import NEARLY_USED, burn_pairs
from spendmeter_stream.guard.findings import BURN_SCORE
from spendmeter_stream.guard.spike import SPIKE_SCORE
from tests.support.alerting import tool

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
CASES = sorted((PROMETHEUS / "tests").glob("*.test.yml"))
RUNBOOKS = ROOT / "docs" / "runbooks"


def run(*command: str) -> str:
    """What `command` prints; fails with it where the command does."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    """Every rule of every file."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


@pytest.mark.promtool
def test_prometheus_takes_the_example_configuration_and_every_rule() -> None:
    run(tool("promtool"), "check", "config", str(PROMETHEUS / "prometheus.yml"))


@pytest.mark.promtool
def test_rules_fire_when_they_should_and_not_otherwise() -> None:
    run(tool("promtool"), "test", "rules", *map(str, CASES))


@pytest.mark.promtool
@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=SpendSpike severity=critical org=lotus-chennai", "on-call"),
        ("alertname=SpendSpike severity=critical org=sunrise-delhi", "sunrise-delhi,on-call"),
        ("alertname=BudgetNearlyUsed severity=warning org=sunrise-delhi", "sunrise-delhi"),
        ("alertname=UnpricedUsage severity=warning", "platform-mail"),
        ("alertname=StoreUnreachable severity=critical", "on-call"),
    ],
)
def test_alertmanager_routes_by_org_and_severity(labels: str, receivers: str) -> None:
    file = f"--config.file={PROMETHEUS / 'alertmanager.yml'}"
    amtool = tool("amtool")
    run(amtool, "check-config", str(PROMETHEUS / "alertmanager.yml"))
    run(amtool, "config", "routes", "test", file, f"--verify.receivers={receivers}", *labels.split())


def test_every_alert_is_shown_firing_and_not_firing() -> None:
    shown: dict[str, set[bool]] = {}
    for path in CASES:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test["alert_rule_test"]:
                shown.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert shown == {alert["alert"]: {True, False} for alert in alerts()}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_says_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert alert["annotations"]["summary"]
    base, page = alert["annotations"]["runbook_url"].split("/")
    assert base == "{{ $externalLabels.runbooks }}"
    text = (RUNBOOKS / page).read_text()
    assert alert["alert"] in text.splitlines()[0]
    assert "**Look at**" in text
    assert "**Do**" in text


def test_every_runbook_page_belongs_to_an_alert_and_its_links_lead_somewhere() -> None:
    used = {alert["annotations"]["runbook_url"].split("/")[1] for alert in alerts()}
    assert used == {path.name for path in RUNBOOKS.glob("*.md")}
    for path in RUNBOOKS.glob("*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            assert (RUNBOOKS / target).exists(), f"{path.name} links to {target}"


def test_rules_read_only_metrics_that_are_documented() -> None:
    documented = set(re.findall(r"^\| `(spendmeter_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    for rule in rules():
        recorded = re.sub(r"\w*:\w+(:\w+)?", "", rule["expr"])
        for name in re.findall(r"spendmeter_\w+", recorded):
            assert re.sub(r"_(bucket|sum|count)$", "", name) in documented, f"{name} in {rule.get('alert')}"


def test_rules_and_spend_guard_have_the_same_limits() -> None:
    expressions = {alert["alert"]: alert["expr"] for alert in alerts()}

    def limits(alert: str) -> set[float]:
        return {float(number) for number in re.findall(r">=? ([\d.]+)", expressions[alert])}

    for name, org, user in zip(
        ("BudgetBurnFast", "BudgetBurnSlow"), burn_pairs("org"), burn_pairs("user"), strict=True
    ):
        assert limits(name) == {org.ratio, user.ratio, BURN_SCORE}
        assert set(re.findall(r'window="(\w+)"', expressions[name])) == {org.long, org.short}
    assert limits("SpendSpike") == {SPIKE_SCORE}
    assert limits("BudgetNearlyUsed") == {NEARLY_USED}
    assert limits("BudgetUsedUp") == {1}
