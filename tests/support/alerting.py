"""Prometheus and Alertmanager with the configuration of `deploy/prometheus`; tests replace only addresses and waits."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.support.required import do_without
from tests.support.stack import KEY, wait_until

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "prometheus"


def tool(*names: str) -> str:
    """Return the path of the first of `names` that is installed; otherwise skip the test, or fail it if everything
    is required."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        do_without(f"{names[0]} is not installed (Debian packages prometheus and prometheus-alertmanager)")
    return found


@dataclass
class Pager:
    """The receivers of the example configuration: alerts by URL path."""

    url: str
    alerts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Path and body of each POST request."""

    def got(self, path: str, **labels: str) -> list[dict[str, Any]]:
        """Return the alerts sent to `path` that have these labels."""
        return [alert for alert in self.alerts.get(path, []) if labels.items() <= alert["labels"].items()]


@contextmanager
def pager() -> Iterator[Pager]:
    """Serve HTTP for Alertmanager's webhooks."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.pages.append((self.path, body))
            found.alerts.setdefault(self.path, []).extend(body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Pager(f"127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def alertmanager(folder: Path, receivers: str) -> Iterator[str]:
    """Run the example's Alertmanager and yield its address. `receivers` is the address of all receivers."""
    configuration = yaml.safe_load((CONFIGURATION / "alertmanager.yml").read_text())
    for receiver in configuration["receivers"]:
        for webhook in receiver["webhook_configs"]:
            webhook["url"] = f"http://{receivers}{urlsplit(webhook['url']).path}"
    for route in (configuration["route"], *configuration["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    address = free_address()
    with _running(
        tool("prometheus-alertmanager", "alertmanager"),
        _write(folder / "alertmanager.yml", configuration),
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        log=folder / "alertmanager.log",
        ready=f"http://{address}/-/ready",
    ):
        yield address


@contextmanager
def prometheus(folder: Path, target: str, alerts_to: str) -> Iterator[str]:
    """Run the example's Prometheus with all rules, scraping `target` every second, and yield its URL."""
    configuration = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text())
    configuration["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(CONFIGURATION / path) for path in configuration["rule_files"]]
    # The embedded stack is one process: the worker has no port of its own.
    (job,) = (job for job in configuration["scrape_configs"] if job["job_name"] == "spendmeter-service")
    configuration["scrape_configs"] = [job]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [target]}]
    (folder / "token").write_text(KEY)
    job["authorization"]["credentials_file"] = str(folder / "token")
    configuration["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alerts_to]}]}]
    address = free_address()
    with _running(
        tool("prometheus"),
        _write(folder / "prometheus.yml", configuration),
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={address}",
        log=folder / "prometheus.log",
        ready=f"http://{address}/-/ready",
    ):
        yield f"http://{address}"


def free_address() -> str:
    """Return an address without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"127.0.0.1:{found.getsockname()[1]}"


def ask(url: str) -> Any:
    """Return the response of Prometheus' API."""
    with urllib.request.urlopen(url, timeout=120) as answer:
        return json.loads(answer.read())["data"]


def _write(path: Path, configuration: Any) -> str:
    path.write_text(yaml.safe_dump(configuration))
    return f"--config.file={path}"


@contextmanager
def _running(*command: str, log: Path, ready: str) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: process.poll() is not None or _answers(ready))
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30):
            return True
    except OSError:
        return False
