"""Provisioning files match Grafana's readers (pkg/services/provisioning), and their references exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gate.statements import GRAFANA, boards, rules

ROOT = Path(__file__).parents[3]
PROVISIONING = GRAFANA / "provisioning"
DURATION = re.compile(r"^\d+[smhd]$")

# The keys of each type in Grafana's source: other keys are ignored silently.
RULE = {
    *("uid", "title", "condition", "data", "dashboardUid", "panelId", "noDataState", "execErrState", "for"),
    *("annotations", "labels", "isPaused"),
}
QUERY = {"refId", "queryType", "relativeTimeRange", "datasourceUid", "model"}
GROUP = {"orgId", "name", "folder", "interval", "rules"}
SOURCE = {"name", "uid", "orgId", "type", "access", "url", "isDefault", "editable", "jsonData", "secureJsonData"}
PROVIDER = {
    *("name", "orgId", "folder", "folderUid", "type", "disableDeletion", "allowUiUpdates", "options"),
    "updateIntervalSeconds",
}

Json = dict[str, Any]
RULES = {rule["title"]: rule for rule in rules()}
each_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def read(path: str) -> Json:
    found: Json = yaml.safe_load((PROVISIONING / path).read_text(encoding="utf-8"))
    assert found["apiVersion"] == 1
    return found


def sources() -> dict[str, Json]:
    return {source["uid"]: source for source in read("datasources/spendmeter.yaml")["datasources"]}


def test_the_boards_open_on_the_provisioned_sources() -> None:
    found = sources()
    assert {source["type"] for source in found.values()} == {"grafana-clickhouse-datasource", "prometheus"}
    for board in boards():
        for variable in board["templating"]["list"]:
            if variable["type"] == "datasource":
                assert found[variable["current"]["value"]]["type"] == variable["query"]


@pytest.mark.parametrize("source", sources().values(), ids=sources())
def test_a_source_is_read_only_and_names_no_secret(source: Json) -> None:
    assert set(source) <= SOURCE
    assert source["editable"] is False
    assert source["access"] == "proxy"
    for value in source.get("secureJsonData", {}).values():
        assert re.fullmatch(r"\$__(file|env)\{[^}]+\}", value)
    for name in ("host", "port", "secure", "username", "defaultDatabase"):
        assert re.fullmatch(r"\$SPENDMETER_\w+", str(source["jsonData"].get(name, "$SPENDMETER_X")))


def test_the_boards_are_provided_from_a_folder_and_cannot_be_edited() -> None:
    (provider,) = read("dashboards/spendmeter.yaml")["providers"]
    assert set(provider) <= PROVIDER
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert provider["options"]["path"].startswith("/")


def test_policies_name_contact_points_that_are_there() -> None:
    found = read("alerting/contact-points.yaml")
    names = {point["name"] for point in found["contactPoints"]}
    for point in found["contactPoints"]:
        assert all({"uid", "type", "settings"} <= set(receiver) for receiver in point["receivers"])
        assert "$" not in str(point), "Grafana takes these settings as they are"
    for policy in found["policies"]:
        assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} <= names


def test_groups_are_what_grafana_reads() -> None:
    for group in read("alerting/rules.yaml")["groups"]:
        assert set(group) == GROUP
        assert DURATION.match(group["interval"])
    uids = [rule["uid"] for rule in RULES.values()]
    assert len(set(uids)) == len(uids) == len(RULES)


@each_rule
def test_a_rule_is_what_grafana_reads(rule: Json) -> None:
    assert set(rule) <= RULE
    assert re.fullmatch(r"[\w-]{1,40}", rule["uid"])
    assert DURATION.match(rule["for"])
    assert rule["noDataState"] in ("Alerting", "NoData", "OK", "KeepLast")
    assert rule["execErrState"] in ("Alerting", "Error", "OK", "KeepLast")
    queries = {query["refId"]: query for query in rule["data"]}
    assert set(queries) == {"A", rule["condition"]}
    for ref, query in queries.items():
        assert set(query) <= QUERY
        assert query["model"]["refId"] == ref
    assert queries["A"]["datasourceUid"] in sources()
    threshold = queries[rule["condition"]]["model"]
    assert (threshold["type"], threshold["expression"]) == ("threshold", "A")


@each_rule
def test_a_rule_has_a_summary_and_a_runbook(rule: Json) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    notes = rule["annotations"]
    prometheus = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    base, _, page = notes["runbook_url"].rpartition("/")
    assert base == prometheus["global"]["external_labels"]["runbooks"]
    assert (ROOT / "docs" / "runbooks" / page).is_file()
    assert notes["board"].removeprefix("/d/") in {board["uid"] for board in boards()}
    labels = set(re.findall(r"\$labels\.(\w+)", notes["summary"]))
    model = rule["data"][0]["model"]
    given = set(re.findall(r"\w+", model.get("rawSql") or model["expr"]))
    assert labels <= given
    # Grafana expands no environment variables in annotations; `$labels` is part of a template.
    assert not re.search(r"\$\{|\$[A-Z_]", "".join(notes.values()))


def test_the_spike_has_no_formula_of_its_own() -> None:
    """The guard decides: the rules of Grafana and Prometheus read the same finding, by one expression."""
    model = RULES["SpendSpike"]["data"][0]["model"]
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules" / "spend.yml").read_text())["groups"][0]["rules"]
    critical = [it for it in rules if it["alert"] == "SpendSpike" and it["labels"]["severity"] == "critical"]
    assert [it["expr"] for it in critical] == [model["expr"]]
    assert not [rule for rule in RULES.values() if "median" in str(rule) or "quantile" in str(rule)]


@each_rule
def test_a_rule_needs_no_browser(rule: Json) -> None:
    sql = rule["data"][0]["model"].get("rawSql")
    if sql is None:
        return
    assert not re.search(r"\$\{|\$__conditionalAll|\$(?!__)\w", sql)
    assert re.search(r"\$__(timeFilter|fromTime|toTime)\b", sql)
