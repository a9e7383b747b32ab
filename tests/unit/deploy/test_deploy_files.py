"""deploy/compose.yaml and deploy/k8s: valid by their schemas, and consistent with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from spendmeter_clickhouse import StoreSettings
from spendmeter_deploy.settings import StackSettings
from spendmeter_rollups import ServiceSettings
from spendmeter_stream.settings import StreamSettings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SCHEMA = ROOT / "tests" / "support" / "compose_schema" / "compose-spec.json"
SETTINGS = {
    f"SPENDMETER_{name}".upper()
    for room in (StoreSettings, StreamSettings, ServiceSettings, StackSettings)
    for name in room.model_fields
}
IMAGE = "spendmeter"
KUBERNETES = "1.33"


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def manifests() -> list[Any]:
    return [
        pytest.param(document, id=f"{path.stem}-{document['kind']}")
        for path in sorted((DEPLOY / "k8s").glob("*.yaml"))
        if path.name != "kustomization.yaml"
        for document in yaml.safe_load_all(path.read_text())
    ]


def test_compose_file_is_valid() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert [fault.message for fault in Draft202012Validator(schema).iter_errors(compose())] == []
    assert list(Draft202012Validator(schema).iter_errors({"services": {"a": {"prots": []}}})), "the schema is awake"


def test_compose_binds_loopback_only_and_mounts_existing_files() -> None:
    for service in compose()["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        for source in (volume.split(":")[0] for volume in service.get("volumes", ())):
            assert (DEPLOY / source).exists() if source.startswith(".") else source in compose()["volumes"]


def test_compose_gives_our_processes_only_settings_that_exist() -> None:
    ours = [it for it in compose()["services"].values() if it["image"] == IMAGE]
    assert {name for it in ours for name in it["environment"]} <= SETTINGS
    assert {it["command"][0] for it in ours} == {"migrate", "worker", "serve", "collect"}


def test_compose_gives_grafana_every_variable_that_provisioning_reads() -> None:
    provisioning = "".join(path.read_text() for path in (ROOT / "grafana" / "provisioning").rglob("*.yaml"))
    read = set(re.findall(r"\$\{?(SPENDMETER_[A-Z_]+)", provisioning))
    grafana = compose()["services"]["grafana"]
    assert read <= set(grafana["environment"])
    secrets = set(re.findall(r"/run/secrets/(\w+)", provisioning))
    assert secrets <= set(grafana["secrets"]) <= set(compose()["secrets"])


def test_prometheus_scrapes_addresses_of_the_compose_file() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job["dns_sd_configs"] for job in config["scrape_configs"]}
    scraped = {name: (it["names"], it["type"], it["port"]) for name, (it,) in jobs.items()}
    assert scraped == {
        "spendmeter-service": (["service"], "A", 8080),
        "spendmeter-collector": (["collector"], "A", 8081),
        "spendmeter-worker": (["worker"], "A", 6066),
    }
    assert {name for names, _, _ in scraped.values() for name in names} <= set(compose()["services"])


@pytest.mark.parametrize("document", manifests())
def test_kubernetes_manifest_is_valid(document: dict[str, Any]) -> None:
    assert kubernetes_validate.validate(document, KUBERNETES, strict=True) == KUBERNETES


def test_kubernetes_schema_is_awake() -> None:
    unknown = {"apiVersion": "v1", "kind": "Service", "spec": {"prots": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(unknown, KUBERNETES, strict=True)


def test_kustomization_lists_every_manifest() -> None:
    kustomization = yaml.safe_load((DEPLOY / "k8s" / "kustomization.yaml").read_text())
    there = {path.name for path in (DEPLOY / "k8s").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == there


@pytest.mark.parametrize("document", [it for it in manifests() if it.values[0]["kind"] in ("Deployment", "Job")])
def test_kubernetes_containers_are_locked_down(document: dict[str, Any]) -> None:
    """Containers meet the `restricted` standard of the namespace, and each variable is a setting."""
    pod = document["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert pod["enableServiceLinks"] is False
    for container in pod["containers"]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert {it["name"] for it in container["env"]} <= SETTINGS
        assert container["resources"]["limits"]["memory"]


def test_kubernetes_settings_exist() -> None:
    (document,) = yaml.safe_load_all((DEPLOY / "k8s" / "settings.yaml").read_text())
    assert set(document["data"]) <= SETTINGS
