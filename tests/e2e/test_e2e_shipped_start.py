"""The shipped processes without Kafka, store or schema, and with rejected credentials."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.process import free_port
from tests.support.records import record
from tests.support.shipped.deployments import ADMIN_KEY, SECRETS, compose
from tests.support.shipped.process import Deployment, Running
from tests.support.stack import wait_until
from tests.support.worker import publish

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def deployment(kafka: ApacheKafka, tmp_path: Path) -> Iterator[Deployment]:
    """Run the compose file's processes."""
    with compose(kafka, tmp_path) as deployment:
        yield deployment


@pytest.mark.parametrize(
    ("bootstrap", "reason"), [("127.0.0.1:9", "Connection refused"), ("kafka.invalid:9092", "not known")]
)
def test_a_worker_without_kafka_waits_alive_and_not_ready(deployment: Deployment, bootstrap: str, reason: str) -> None:
    with deployment.running("worker", SPENDMETER_BOOTSTRAP=bootstrap) as worker:
        worker.until("/healthz")
        wait_until(lambda: attempts(worker, f"cannot use Kafka at {bootstrap}") > 1)
        answer = worker.get("/readyz")
        assert answer.status == 503
        assert any(it.startswith(f"kafka: Kafka at {bootstrap}") for it in answer.json()["reasons"])
        assert worker.get("/metrics").status == 200
        assert worker.stop(within=deployment.processes["worker"].grace_seconds) == 0
        # The message of a failed name resolution depends on the machine.
        assert reason in worker.log() or "resolution" in worker.log()
        one_line_each(worker)


def test_a_worker_waits_for_the_store_and_its_schema(deployment: Deployment) -> None:
    dsn = deployment.environment("worker")["SPENDMETER_STORE_DSN"]
    away = dsn.replace(dsn.rpartition("@")[2], f"127.0.0.1:{free_port()}/spendmeter")
    with deployment.running("worker", SPENDMETER_STORE_DSN=away) as worker:
        wait_until(lambda: attempts(worker, "cannot use the store at") > 1)
        assert any(reason.startswith("store: ") for reason in worker.get("/readyz").json()["reasons"])
        assert worker.stop(within=30) == 0
        one_line_each(worker)
    with deployment.running("worker") as worker:
        worker.until_logged("the database has no schema: run `spendmeter migrate`")
        assert "the database does not exist: run `spendmeter migrate`" in deployment.run("doctor").stdout
        assert deployment.run("migrate").returncode == 0
        worker.until("/readyz")
        assert worker.stop(within=30) == 0
        one_line_each(worker)


def test_migrate_and_serve_wait_for_the_store(deployment: Deployment) -> None:
    away = f"http://spendmeter:x@127.0.0.1:{free_port()}/spendmeter"
    with deployment.running("serve", SPENDMETER_STORE_DSN=away) as service:
        service.until("/healthz")
        wait_until(lambda: attempts(service, "cannot use the store at") > 1)
        assert service.get("/readyz").status == 503
        assert service.stop(within=30) == 0
        one_line_each(service)
    with deployment.running("migrate", SPENDMETER_STORE_DSN=away) as migrate:
        wait_until(lambda: migrate.log().count("cannot use the store at") > 1)
        assert "Traceback" not in migrate.log()


@pytest.mark.parametrize("verb", ["migrate", "worker", "serve"])
def test_a_refused_store_login_is_one_line(deployment: Deployment, verb: str) -> None:
    dsn = deployment.environment(verb)["SPENDMETER_STORE_DSN"]
    with deployment.running(verb, SPENDMETER_STORE_DSN=dsn.replace(":" + password_of(dsn), ":wrong")) as process:
        assert process.ended() == 2
        ends_with(process, "rejected the credentials", "SPENDMETER_STORE_DSN")


def test_a_refused_kafka_login_is_one_line(deployment: Deployment, kafka: ApacheKafka, tmp_path: Path) -> None:
    assert kafka.secure_connection.ssl_cafile
    authority = Path("/tmp") / f"{tmp_path.parent.name}-{tmp_path.name}.pem"
    shutil.copyfile(kafka.secure_connection.ssl_cafile, authority)
    authority.chmod(0o644)
    wrong = {
        "SPENDMETER_BOOTSTRAP": f"127.0.0.1:{kafka.secure_port}",
        "SPENDMETER_SECURITY_PROTOCOL": "SASL_SSL",
        "SPENDMETER_SASL_USERNAME": "spendmeter",
        "SPENDMETER_SASL_PASSWORD": "not-the-password",
        "SPENDMETER_SSL_CAFILE": str(authority),
    }
    try:
        with deployment.running("worker", **wrong) as worker:
            assert worker.ended() == 2
            ends_with(worker, "rejected the credentials", "SPENDMETER_SASL_PASSWORD")
            assert "not-the-password" not in worker.log()
    finally:
        authority.unlink()


def test_fausts_own_command_runs_the_same_worker(deployment: Deployment, kafka: ApacheKafka) -> None:
    """As in the README: port, topics, waiting and counts are the same; only the log format is Faust's."""
    assert deployment.run("migrate").returncode == 0
    faust = ("faust", "-A", "spendmeter_stream.app", "worker", "-l", "info")
    processes = dict(deployment.processes)
    worker = processes["worker"]
    processes["worker"] = type(worker)(faust[1:], worker.environment, worker.grace_seconds)
    executable = (str(Path(sys.executable).parent / "faust"),)
    own = Deployment(
        processes=processes,
        addresses=deployment.addresses,
        changes={},
        logs=deployment.logs / "..",
        executable=executable,
    )
    with own.running("worker") as process, deployment.running("serve") as service:
        process.until("/readyz")
        assert process.get("/healthz").status == process.get("/metrics").status == 200
        service.until("/readyz")
        asyncio.run(publish(kafka.connection, [record(number, org_id="faust-school") for number in range(100)]))
        wait_until(lambda: requests_of(service, "faust-school") >= 100)
        assert requests_of(service, "faust-school") == 100
        assert process.stop(within=30) == 0
        assert "Traceback" not in process.log()
        assert all(words in process.log() for words in ("group spendmeter-ingest", "partitions [0", "ready"))


def requests_of(service: Running, org: str) -> int:
    return int(service.get(f"/v1/usage/summary?preset=all&org={org}", key=ADMIN_KEY).json()["totals"]["requests"])


def password_of(dsn: str) -> str:
    return next(secret for secret in SECRETS.values() if secret in dsn)


def attempts(process: Running, words: str) -> int:
    assert process.process.poll() is None, process.log()
    return process.log().count(words)


def one_line_each(process: Running) -> None:
    """Assert that every line is JSON without a traceback, and that failed attempts are reported once."""
    assert "traceback" not in process.log().lower(), process.log()
    lines = [json.loads(line) for line in process.log().splitlines()]
    assert {reporter(line) for line in lines if line["level"] != "info"} <= {"spendmeter_stream"}


def reporter(line: dict[str, str]) -> str:
    """Return the package that logged `line`. aiokafka reports that a new Kafka has no group coordinator yet."""
    return "spendmeter_stream" if "GroupCoordinatorNotAvailable" in line["message"] else line["logger"].split(".")[0]


def ends_with(process: Running, *words: str) -> None:
    """Assert that the last line has the reason, and that there is no traceback."""
    last = process.log().splitlines()[-1]
    assert last.startswith("spendmeter: ")
    assert [word for word in words if word not in last] == []
    assert "Traceback" not in process.log()
