"""The alert rules are valid, fire and do not fire as expected in promtool, and have runbook pages."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.alerting import tool

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
CASES = sorted((PROMETHEUS / "tests").glob("*.test.yml"))
RUNBOOKS = ROOT / "docs" / "runbooks"


def run(*command: str) -> str:
    """Return the output of `command`; fail with the output if the command fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    """Return every rule of every file."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


@pytest.mark.promtool
def test_prometheus_takes_the_example_configuration_and_every_rule(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("only its presence is checked")
    example = (PROMETHEUS / "prometheus.yml").read_text().replace("- rules/", f"- {PROMETHEUS}/rules/")
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(example.replace("/run/secrets/spendmeter_metrics_token", str(tmp_path / "token")))
    run(tool("promtool"), "check", "config", str(configuration))


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
def test_every_alert_has_a_severity_and_a_runbook(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert alert["annotations"]["summary"]
    base, page = alert["annotations"]["runbook_url"].split("/")
    assert base == "{{ $externalLabels.runbooks }}"
    assert alert["alert"] in (RUNBOOKS / page).read_text().splitlines()[0]


def test_rules_read_only_metrics_that_are_documented() -> None:
    documented = set(re.findall(r"^\| `(spendmeter_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    for rule in rules():
        recorded = re.sub(r"\w*:\w+(:\w+)?", "", rule["expr"])
        for name in re.findall(r"spendmeter_\w+", recorded):
            assert re.sub(r"_(bucket|sum|count)$", "", name) in documented, f"{name} in {rule.get('alert')}"


def test_rules_about_spend_have_no_threshold_and_no_formula_of_their_own() -> None:
    """The guard decides. Each of its kinds has one rule per severity, and no other rule is about spend."""
    expressions = [alert["expr"] for alert in alerts() if "spendmeter_spend_finding" in alert["expr"]]
    found = [re.fullmatch(r"max by \(scope, org, key\) \(spendmeter_spend_finding\{(.*)\}\)", it) for it in expressions]
    assert sorted(match[1] for match in found if match) == [
        f'kind="{kind}", severity="{severity}"'
        for kind in ("budget", "burn", "spike")
        for severity in ("critical", "warning")
    ]
    assert all(found)


def test_metrics_of_the_leader_have_no_instance_and_survive_a_change_of_leader() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    guard = re.findall(r"^\| `(\w+)` \| gauge", page.partition("## Spend guard")[2], re.MULTILINE)
    led = re.findall(r"^\| `(\w+)` \|.*of the leading worker", page, re.MULTILINE)
    for alert in alerts():
        if not any(name in alert["expr"] for name in (*guard, *led)):
            continue
        assert not re.search(r"\b(instance|pod|job)\b", alert["expr"]), alert["alert"]
        assert re.search(r"\b(max|min|sum)\b", alert["expr"]), alert["alert"]
        bridged = "keep_firing_for" in alert or "max_over_time" in alert["expr"] or "timestamp" in alert["expr"]
        assert bridged, alert["alert"]
