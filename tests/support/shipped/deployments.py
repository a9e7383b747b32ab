"""The deployments of deploy/, on a test's Kafka and ClickHouse server."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.apache import SCRAM_PASSWORD, ApacheKafka
from tests.support.shipped.files import ROOT, Shipped, compose_variables, from_compose, from_manifests
from tests.support.shipped.process import SPENDMETER, Deployment

SECRETS: Final = {name: f"{name.lower()}0a1b2c3d4e5f" for name in sorted(compose_variables())}
ADMIN_KEY: Final = SECRETS["SPENDMETER_ADMIN_KEY"]
METRICS_TOKEN: Final = SECRETS["SPENDMETER_METRICS_TOKEN"]
_K8S_PASSWORD: Final = "k8s9f8e7d6c5b4a"
_LITERAL: Final = re.compile(r"--from-literal=([\w-]+)=(\S+)")


def secret_of_readme() -> dict[str, str]:
    """Return key → value of the secret that deploy/README.md creates."""
    return dict(_LITERAL.findall((ROOT / "deploy" / "README.md").read_text()))


@contextmanager
def compose(kafka: ApacheKafka, folder: Path, executable: tuple[str, ...] = SPENDMETER) -> Iterator[Deployment]:
    """Yield the processes of compose.yaml."""
    processes = from_compose(SECRETS)
    with _store(processes, folder) as store:
        addresses = {"kafka:9092": f"127.0.0.1:{kafka.port}", "clickhouse:8123": f"127.0.0.1:{store.port}"}
        yield Deployment(processes=processes, addresses=addresses, changes={}, logs=folder, executable=executable)


@contextmanager
def kubernetes(kafka: ApacheKafka, folder: Path) -> Iterator[Deployment]:
    """Yield the processes of k8s/, with SASL and TLS."""
    secret = {key: value.replace("PASSWORD", _K8S_PASSWORD) for key, value in secret_of_readme().items()}
    secret |= dict.fromkeys(("kafka-password", "kafka-emitter-password"), SCRAM_PASSWORD)
    secret |= {"admin-key": ADMIN_KEY, "metrics-token": METRICS_TOKEN}
    processes = from_manifests(secret)
    with _store(processes, folder) as store, _readable(kafka.secure_connection.ssl_cafile or "") as authority:
        addresses = {
            processes["worker"].environment["SPENDMETER_BOOTSTRAP"]: f"127.0.0.1:{kafka.secure_port}",
            "https://": "http://",
            "clickhouse.example.org:8443": f"127.0.0.1:{store.port}",
        }
        # The test broker is a single node, with a certificate of the test's authority.
        changes = {"SPENDMETER_REPLICATION": "1", "SPENDMETER_SSL_CAFILE": str(authority)}
        yield Deployment(processes=processes, addresses=addresses, changes=changes, logs=folder)


def secrets_of(deployment: Deployment) -> set[str]:
    """Return the secrets that no log may contain."""
    values = [value for process in deployment.processes.values() for value in process.environment.values()]
    passwords = {urlsplit(value).password or "" for value in values if "://" in value}
    return (passwords | {ADMIN_KEY, METRICS_TOKEN, SCRAM_PASSWORD}) - {""}


@contextmanager
def _store(processes: Mapping[str, Shipped], folder: Path) -> Iterator[ClickHouseHttp]:
    values = [value for process in processes.values() for value in process.environment.values()]
    logins = [urlsplit(value) for value in values if "://" in value]
    users = {login.username: login.password for login in logins if login.username and login.password}
    store = ClickHouseHttp(folder=folder, users=users)
    store.start()
    try:
        yield store
    finally:
        store.kill()


@contextmanager
def _readable(file: str) -> Iterator[Path]:
    # pytest's folders are readable only by their owner, and the processes run as another user.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        copy = Path(folder) / "authority.pem"
        copy.write_bytes(Path(file).read_bytes())
        copy.chmod(0o644)
        yield copy
