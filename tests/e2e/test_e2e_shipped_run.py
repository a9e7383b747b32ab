"""The processes of deploy/ as shipped, on Apache Kafka: started, scraped, killed and stopped."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.jars import KafkaUnavailable
from tests.support.records import event_fields, record
from tests.support.required import do_without
from tests.support.shipped.deployments import ADMIN_KEY, compose, kubernetes, secrets_of
from tests.support.shipped.files import from_manifests
from tests.support.shipped.process import Deployment, Running
from tests.support.stack import wait_until
from tests.support.worker import publish

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
EVENTS = 10_000
DEPLOYMENTS: dict[str, Callable[[ApacheKafka, Path], AbstractContextManager[Deployment]]] = {
    "compose": compose,
    "kubernetes": kubernetes,
}


class AnySecret(dict[str, str]):
    """A secret with every key."""

    def __missing__(self, key: str) -> str:
        return key


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """A Kafka with the users of the manifests."""
    processes = from_manifests(AnySecret())
    users = [processes[verb].environment["SPENDMETER_SASL_USERNAME"] for verb in ("worker", "collect")]
    try:
        broker = ApacheKafka(folder=tmp_path_factory.mktemp("kafka"), users=users)
    except KafkaUnavailable as missing:
        do_without(missing)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@pytest.mark.parametrize("name", DEPLOYMENTS)
@pytest.mark.timeout(1800)
def test_processes_run_as_shipped(name: str, own_kafka: ApacheKafka, tmp_path: Path) -> None:
    with DEPLOYMENTS[name](own_kafka, tmp_path) as deployment:
        migrated = deployment.run("migrate")
        assert (migrated.returncode, migrated.stderr) == (0, "")
        assert migrated.stdout.endswith("the schema of spendmeter is up to date\n")
        assert deployment.run("migrate").stdout == "the schema of spendmeter is up to date\n"
        with deployment.running("serve") as service:
            count_through_a_kill(deployment, own_kafka, service, org=f"{name}-school")
            check_ready(deployment, "serve", service)
            assert service.stop(within=deployment.processes["serve"].grace_seconds) == 0
            check_log(deployment, service, "query service on http://", '"message":"ready"')
        collect_an_event(deployment, org=f"{name}-school")


def collect_an_event(deployment: Deployment, *, org: str) -> None:
    """Send an event to the collector with a key of its org. The topic exists: a worker has run."""
    made = deployment.run("apikey", "create", "tutor", "--scope", "events:write", "--org", org)
    assert made.returncode == 0, made.stderr
    with deployment.running("collect") as collector:
        collector.until("/readyz")
        event = json.dumps(event_fields(EVENTS, org_id=org)).encode()
        answer = collector.get("/v1/events", key=made.stdout.strip(), body=event)
        assert (answer.status, answer.json()["accepted"]) == (200, 1)
        assert collector.get("/v1/events", key=ADMIN_KEY, body=event).status == 401
        check_ready(deployment, "collect", collector)
        assert collector.stop(within=deployment.processes["collect"].grace_seconds) == 0
        check_log(deployment, collector, "spendmeter 0.1.0, collector on http://")


def count_through_a_kill(deployment: Deployment, kafka: ApacheKafka, service: Running, *, org: str) -> None:
    """Send 10,000 events, half of them before a kill -9 of the worker, and expect 10,000 requests."""
    service.until("/readyz")
    with deployment.running("worker") as worker:
        worker.until("/readyz")
        check_ready(deployment, "worker", worker)
        asyncio.run(publish(kafka.connection, [record(number, org_id=org) for number in range(EVENTS // 2)]))
        wait_until(lambda: requests_of(service, org) > 0)
        worker.kill()
    with deployment.running("worker") as worker:
        rest = range(EVENTS // 2, EVENTS)
        asyncio.run(publish(kafka.connection, [record(number, org_id=org) for number in rest]))
        wait_until(lambda: requests_of(service, org) >= EVENTS, patience=900)
        assert requests_of(service, org) == EVENTS
        stored = samples(worker, "spendmeter_events_total")
        assert sum(stored.values()) >= EVENTS // 2
        assert worker.stop(within=deployment.processes["worker"].grace_seconds) == 0
        expected = ("group spendmeter-ingest, topic spendmeter.usage.v1", "partitions [0", " released", '"ready"')
        check_log(deployment, worker, "spendmeter 0.1.0, worker:", *expected)
    verified = deployment.run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def requests_of(service: Running, org: str) -> int:
    answer = service.get(f"/v1/usage/summary?preset=all&org={org}", key=ADMIN_KEY)
    assert answer.status == 200, answer.body
    return int(answer.json()["totals"]["requests"])


def check_ready(deployment: Deployment, verb: str, process: Running) -> None:
    """Check that probes and health checks succeed, and that Prometheus' parser reads the metrics."""
    assert process.get("/healthz").json()["status"] == "ok"
    for probe in deployment.processes[verb].probes:
        if probe.path:
            assert process.get(probe.path).status == 200, probe
        else:
            done = subprocess.run(here(probe.command, process.port), capture_output=True, timeout=120, check=False)
            assert done.returncode == 0, done.stderr
    answer = process.get("/metrics")
    assert answer.status == 200
    assert answer.content_type.startswith("text/plain; version=")
    names = {family.name for family in text_string_to_metric_families(answer.body.decode())}
    assert any(name.startswith("spendmeter_") for name in names)


def here(command: tuple[str, ...], port: int) -> list[str]:
    """Return a compose health check with the local interpreter and the process's port."""
    assert command[0] == "/opt/spendmeter/bin/python"
    return [sys.executable, *(re.sub(":(6066|8080|8081)", f":{port}", part) for part in command[1:])]


def samples(process: Running, name: str) -> dict[str, float]:
    families = text_string_to_metric_families(process.get("/metrics").body.decode())
    found = [sample for family in families for sample in family.samples if sample.name == name]
    return {str(sample.labels): sample.value for sample in found}


def check_log(deployment: Deployment, process: Running, *expected: str) -> None:
    """Check that each line is JSON without traceback or secret, and that the expected lines exist."""
    log = process.log()
    for line in log.splitlines():
        assert {"time", "level", "logger", "message"} <= json.loads(line).keys()
    assert "traceback" not in log.lower(), log
    assert [words for words in expected if words not in log] == [], log
    assert [secret for secret in secrets_of(deployment) if secret in log] == []
