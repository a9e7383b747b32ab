"""One cause is one page: the shipped configuration in a real Alertmanager with a counting pager."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.alerting import Pager, alertmanager, pager
from tests.support.stack import wait_until

ON_CALL = "/spendmeter"
pytestmark = [pytest.mark.promtool, pytest.mark.timeout(300)]


@dataclass
class Manager:
    address: str
    pager: Pager

    def fire(self, *alerts: dict[str, str]) -> None:
        """Send alerts in one request, as one evaluation of a rule group does."""
        now = datetime.now(UTC).isoformat()
        body = json.dumps([{"labels": labels, "startsAt": now} for labels in alerts]).encode()
        request = urllib.request.Request(
            f"http://{self.address}/api/v2/alerts", data=body, headers={"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=30).close()

    def pages(self, path: str = ON_CALL) -> list[dict[str, Any]]:
        return [body for at, body in self.pager.pages if at == path]

    def settle(self, *orgs: str) -> None:
        """Wait for a page of each org, then for all due alerts, by waiting for the page of another org's new alert."""
        wait_until(lambda: all(of_org(self.pages(), org) for org in orgs))
        marker = spike("org", f"marker-{len(self.pager.pages)}")
        self.fire(marker)
        wait_until(lambda: bool(self.pager.got(ON_CALL, **marker)))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with pager() as pages, alertmanager(tmp_path, pages.url) as address:
        yield Manager(address, pages)


def spike(scope: str, org: str, key: str = "", severity: str = "critical", **more: str) -> dict[str, str]:
    return {"alertname": "SpendSpike", "severity": severity, "scope": scope, "org": org, "key": key or org, **more}


def runaway(org: str) -> list[dict[str, str]]:
    """Return the alerts that one user's loop fires in Prometheus and Grafana."""
    return [
        spike("user", org, "asha"),
        spike("feature", org, "chat"),
        spike("feature", "", "chat"),
        spike("org", org),
        spike("user", org, "asha", grafana_folder="Spendmeter", source="spendmeter"),
        {"alertname": "BudgetBurnFast", "severity": "critical", "scope": "org", "org": org, "key": org},
        {"alertname": "BudgetBurnFast", "severity": "critical", "scope": "user", "org": org, "key": "asha"},
        {"alertname": "BudgetBurnSlow", "severity": "warning", "scope": "org", "org": org, "key": org},
    ]


def of_org(pages: list[dict[str, Any]], org: str) -> list[dict[str, Any]]:
    return [page for page in pages if any(alert["labels"]["org"] == org for alert in page["alerts"])]


def test_one_runaway_is_one_page_that_names_the_culprit(manager: Manager) -> None:
    manager.fire(*runaway("lotus-chennai"))
    manager.settle("lotus-chennai")
    (page,) = of_org(manager.pages(), "lotus-chennai")
    assert {alert["labels"]["scope"] for alert in page["alerts"]} == {"user"}
    assert not [page for page in manager.pages() if any(not it["labels"]["org"] for it in page["alerts"])]
    # The next evaluations, of this leader or another one, repeat the same alerts.
    manager.fire(*runaway("lotus-chennai"))
    manager.settle("lotus-chennai")
    assert len(of_org(manager.pages(), "lotus-chennai")) == 1
    assert not manager.pages("/platform")


def test_runaways_of_two_orgs_are_two_pages(manager: Manager) -> None:
    manager.fire(*runaway("lotus-chennai"), *runaway("niketan"))
    manager.settle("lotus-chennai", "niketan")
    assert [len(of_org(manager.pages(), org)) for org in ("lotus-chennai", "niketan")] == [1, 1]


def test_a_wide_spike_without_a_single_culprit_is_paged(manager: Manager) -> None:
    manager.fire(spike("org", "lotus-chennai"))
    manager.settle("lotus-chennai")
    (page,) = of_org(manager.pages(), "lotus-chennai")
    assert page["alerts"][0]["labels"]["scope"] == "org"


def test_the_orgs_own_receiver_hears_of_its_runaway_too(manager: Manager) -> None:
    manager.fire(*runaway("sunrise-delhi"))
    manager.settle("sunrise-delhi")
    assert len(of_org(manager.pages(), "sunrise-delhi")) == 1
    wait_until(lambda: bool(manager.pages("/sunrise-delhi")))
    assert len(manager.pages("/sunrise-delhi")) == 1


def test_a_fresh_platform_is_one_mail_and_no_page(manager: Manager) -> None:
    manager.fire(*(spike("org", f"school-{n}", severity="warning") for n in range(9)))
    manager.settle()
    wait_until(lambda: bool(manager.pages("/platform")))
    (mail,) = manager.pages("/platform")
    assert len(mail["alerts"]) == 9
    assert not of_org(manager.pages(), "school-1")


def test_a_store_that_is_away_is_one_page(manager: Manager) -> None:
    behind = [
        {"alertname": "ConsumerLagVeryHigh", "severity": "critical", "partition": str(partition)}
        for partition in range(12)
    ]
    store = [{"alertname": "StoreUnreachable", "severity": "critical", "instance": f"w{n}:6066"} for n in range(2)]
    stuck = [{"alertname": "WorkerStuck", "severity": "critical", "instance": f"w{n}:6066"} for n in range(2)]
    manager.fire(*store, *stuck, *behind, {"alertname": "SpendGuardSilent", "severity": "critical"})
    wait_until(lambda: bool(manager.pages()))
    manager.settle()
    pages = [page for page in manager.pages() if page["alerts"][0]["labels"]["alertname"] != "SpendSpike"]
    assert [page["groupLabels"] for page in pages] == [{"alertname": "StoreUnreachable"}]
