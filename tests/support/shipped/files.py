"""Parse deploy/: commands, environment, probes and stop times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[3]
COMPOSE: Final = ROOT / "deploy" / "compose.yaml"
MANIFESTS: Final = ROOT / "deploy" / "k8s"
IMAGE: Final = "spendmeter"
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::[?-][^}]*)?\}")


@dataclass(frozen=True, slots=True)
class Probe:
    """One health check: an HTTP path, or a command."""

    kind: str
    path: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shipped:
    """One process of the deploy files."""

    command: tuple[str, ...]
    environment: dict[str, str]
    grace_seconds: float
    probes: tuple[Probe, ...] = field(default=())

    @property
    def verb(self) -> str:
        """`migrate`, `worker`, `serve` or `collect`."""
        return self.command[0]


def compose_variables() -> set[str]:
    """Return the variables that the compose file reads from `deploy/.env`."""
    text = COMPOSE.read_text()
    secrets = yaml.safe_load(text)["secrets"].values()
    return {*_VARIABLE.findall(text), *(secret["environment"] for secret in secrets)}


def from_compose(variables: Mapping[str, str]) -> dict[str, Shipped]:
    """Return command → process of the compose file, with `variables` as its `.env`."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    ours = [service for service in services.values() if service["image"] == IMAGE]
    return {service["command"][0]: _of_service(service, variables) for service in ours}


def from_manifests(secret: Mapping[str, str]) -> dict[str, Shipped]:
    """Return command → process of the Kubernetes manifests, with `secret` as the values of the secret `spendmeter`."""
    documents = [
        document
        for path in sorted(MANIFESTS.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] in ("ConfigMap", "Deployment", "Job")
    ]
    maps = {it["metadata"]["name"]: it["data"] for it in documents if it["kind"] == "ConfigMap"}
    pods = [it["spec"]["template"]["spec"] for it in documents if it["kind"] != "ConfigMap"]
    found = [_of_container(pod["containers"][0], pod, maps, secret) for pod in pods]
    return {process.verb: process for process in found}


def _of_service(service: dict[str, Any], variables: Mapping[str, str]) -> Shipped:
    environment = {
        name: _VARIABLE.sub(lambda match: variables[match[1]], str(value))
        for name, value in service["environment"].items()
    }
    check = service.get("healthcheck", {}).get("test", ())
    assert not check or check[0] == "CMD"
    return Shipped(
        command=tuple(service["command"]),
        environment=environment,
        grace_seconds=float(service.get("stop_grace_period", "10s").removesuffix("s")),
        probes=(Probe("healthcheck", command=tuple(check[1:])),) if check else (),
    )


def _of_container(
    container: dict[str, Any], pod: dict[str, Any], maps: Mapping[str, dict[str, str]], secret: Mapping[str, str]
) -> Shipped:
    environment: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        environment |= maps[source["configMapRef"]["name"]]
    for variable in container["env"]:
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        environment[variable["name"]] = secret[reference["key"]] if reference else variable["value"]
    kinds = ("startupProbe", "livenessProbe", "readinessProbe")
    return Shipped(
        command=tuple(container["args"]),
        environment=environment,
        grace_seconds=float(pod.get("terminationGracePeriodSeconds", 30)),
        probes=tuple(Probe(kind, path=container[kind]["httpGet"]["path"]) for kind in kinds if kind in container),
    )
