"""The wheels run the same processes, installed without access to a checkout."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.support.kafka.apache import ApacheKafka
from tests.support.records import record
from tests.support.shipped.deployments import ADMIN_KEY, compose
from tests.support.shipped.files import ROOT
from tests.support.shipped.process import Deployment, Running
from tests.support.stack import wait_until
from tests.support.worker import publish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ROOMS = ("spendmeter_events", "spendmeter_clickhouse", "spendmeter_stream", "spendmeter_rollups", "spendmeter_deploy")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of a virtual environment with our wheels and the test environment's dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    wheels, home = folder / "wheels", folder / "venv"
    pip = [sys.executable, "-m", "pip"]
    offline = ["--no-deps", "--no-index"]
    run(*pip, "wheel", *offline, "--no-build-isolation", "-w", str(wheels), str(ROOT / "producers"), str(ROOT))
    run(sys.executable, "-m", "venv", "--without-pip", str(home))
    python = home / "bin" / "python"
    (site,) = home.glob("lib/python*/site-packages")
    built = [str(wheel) for wheel in wheels.glob("*.whl")]
    run(*pip, "--python", str(python), "install", *offline, *built)
    # Python reads .pth files in its site folders only, so those of the editable install have no effect.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return home / "bin"


def test_packages_and_their_data_come_from_the_wheels(installed: Path) -> None:
    code = f"import {', '.join(ROOMS)}, sys; print(*(sys.modules[it].__file__ for it in {ROOMS}), *sys.path, sep='\\n')"
    lines = run(str(installed / "python"), "-c", code, cwd="/").splitlines()
    assert all(line.startswith(str(installed.parent)) for line in lines[: len(ROOMS)]), lines
    assert [line for line in lines if line.startswith(str(ROOT)) and "site-packages" not in line] == []
    assert "Usage: spendmeter" in run(str(installed / "spendmeter"), "--help", cwd="/")
    run(str(installed / "spendmeter"), "prices", "check", cwd="/")


@pytest.mark.kafka
def test_the_installed_wheels_migrate_work_and_serve(installed: Path, kafka: ApacheKafka, tmp_path: Path) -> None:
    with compose(kafka, tmp_path, executable=(str(installed / "spendmeter"),)) as deployment:
        assert deployment.run("migrate").returncode == 0
        with deployment.running("serve") as service, deployment.running("worker") as worker:
            service.until("/readyz")
            worker.until("/readyz")
            asyncio.run(publish(kafka.connection, [record(number, org_id="wheel-school") for number in range(1000)]))
            wait_until(lambda: figures(service)["requests"] >= 1000)
            assert figures(service)["requests"] == 1000
            assert float(figures(service)["cost"]) > 0, "priced by the book inside the wheel"
            stop(deployment, "worker", worker)
            stop(deployment, "serve", service)


def figures(service: Running) -> dict[str, Any]:
    answer = service.get("/v1/usage/summary?preset=all&org=wheel-school", key=ADMIN_KEY)
    totals: dict[str, Any] = answer.json()["totals"]
    return totals


def stop(deployment: Deployment, verb: str, process: Running) -> None:
    assert process.stop(within=deployment.processes[verb].grace_seconds) == 0
    assert "traceback" not in process.log().lower(), process.log()


def run(*command: str, cwd: str | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
