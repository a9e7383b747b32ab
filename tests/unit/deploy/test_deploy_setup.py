"""`.env`, `spendmeter doctor` and `spendmeter files`, without services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spendmeter_deploy.cli import app as cli
from spendmeter_deploy.cli.setup.diagnosis import settings_in_force
from spendmeter_deploy.cli.setup.files import FILES, packaged
from spendmeter_deploy.dotenv import apply_dotenv, read_dotenv
from spendmeter_deploy.environment import check, unknown_names
from tests.support.kafka.process import free_port

_DOTENV = """
# comment
SPENDMETER_BOOTSTRAP=kafka:9092  # brokers
export SPENDMETER_GROUP = "with space # and hash"
SPENDMETER_SASL_PASSWORD='$literal'
SPENDMETER_PORT=
OTHER=1
"""


def test_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(_DOTENV)
    assert read_dotenv(tmp_path / ".env") == {
        "SPENDMETER_BOOTSTRAP": "kafka:9092",
        "SPENDMETER_GROUP": "with space # and hash",
        "SPENDMETER_SASL_PASSWORD": "$literal",
        "SPENDMETER_PORT": "",
    }
    assert read_dotenv(tmp_path / "missing") == {}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_dotenv_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / ".env").write_text("SPENDMETER_GROUP=a\0b\r\nSPENDMETER_PROT=1\r\n", encoding)
    assert read_dotenv(tmp_path / ".env") == {"SPENDMETER_GROUP": "ab", "SPENDMETER_PROT": "1"}
    assert unknown_names({}, dotenv=tmp_path / ".env") == ["SPENDMETER_PROT"]


def test_the_environment_overrides_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SPENDMETER_GROUP=file\nSPENDMETER_PORT=1\n")
    environment = {"SPENDMETER_GROUP": "mine", "SPENDMETER_PORT": ""}
    apply_dotenv(environment, tmp_path / ".env")
    assert environment == {"SPENDMETER_GROUP": "mine", "SPENDMETER_PORT": "1"}


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("SPENDMETER_STORE_DSN", "https://u:hunter2@h:8443/db?password=hunter2", "https://u:***@h:8443/db"),
        ("SPENDMETER_STORE_DSN", "https://u:hunter@2@h:8443/db", "https://u:***@h:8443/db"),
        ("SPENDMETER_SASL_PASSWORD", "hunter2", "***"),
        ("SPENDMETER_SASL_PASSWORD", "hunter2://", "***"),
        ("SPENDMETER_ALERT_WEBHOOK_URL", "https://hooks.example/hunter2", "***"),
        ("SPENDMETER_ADMIN_KEY", "hunter2", "***"),
        ("SPENDMETER_ALERT_WEBHOOK_SECRET", "hunter2", "***"),
        ("SPENDMETER_GROUP", "g", "g"),
    ],
)
def test_secrets_are_masked(name: str, value: str, shown: str) -> None:
    assert list(settings_in_force({name: value})) == [(name, shown, "environment")]


def test_doctor_names_each_fault_and_what_to_do(tmp_path: Path) -> None:
    """Given invalid settings in .env, then the fault is named without the secret, and the exit code is 1."""
    port = free_port()
    (tmp_path / ".env").write_text(f"SPENDMETER_BOOTSTRAP=127.0.0.1:{port}\nSPENDMETER_SASL_PASSWORD=hunter2\n")
    ended = subprocess.run(
        [sys.executable, "-m", "spendmeter_deploy.cli.app", "doctor"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("SPENDMETER_")},
    )
    assert ended.returncode == 1
    assert "hunter2" not in ended.stdout + ended.stderr
    assert f"SPENDMETER_BOOTSTRAP=127.0.0.1:{port}  (.env)" in ended.stdout
    assert (
        "FAIL  settings  invalid setting: SPENDMETER_SASL_* is given, but SPENDMETER_SECURITY_PROTOCOL" in ended.stdout
    )


def test_doctor_lists_invalid_settings_as_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(cli.app, ["doctor", "--json"], env={"SPENDMETER_PORT": "http"})
    assert ended.exit_code == 1
    report = json.loads(ended.stdout)
    assert report["settings"] == [{"name": "SPENDMETER_PORT", "value": "http", "source": "environment"}]
    assert [each["ok"] for each in report["checks"]] == [False]


def test_files_are_exported_once(tmp_path: Path) -> None:
    target = tmp_path / "out"
    assert CliRunner().invoke(cli.app, ["files", "export", str(target)]).exit_code == 0
    assert sorted(path for path in FILES if (target / path).exists()) == sorted(FILES)
    assert list((target / "grafana/dashboards").glob("*.json"))
    again = CliRunner().invoke(cli.app, ["files", "export", str(target), "--only", "deploy/k8s"])
    assert (again.exit_code, "use --force" in again.stderr) == (2, True)


def test_an_export_onto_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(cli.app, ["files", "export", str(tmp_path / "file")])
    assert done.exit_code == 2
    assert "(Not a directory); use another folder" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_dotenv_that_cannot_be_read_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / ".env").write_text("SPENDMETER_PORT=1\n")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", unreadable)
        _, fault = check({}, dotenv=tmp_path / ".env")
    assert fault.endswith(".env (Permission denied): make it readable for this user, or remove it")


def test_files_are_in_the_wheel() -> None:
    """Each path is copied into the wheel, to the folder that `packaged` reads there."""
    import tomllib

    wheel = tomllib.loads((packaged() / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {f"spendmeter_deploy/files/{path}" for path in FILES} <= set(wheel["force-include"].values())
    assert all((packaged() / path).exists() for path in FILES)


@pytest.mark.parametrize(("words", "expected"), [("spendmeter doc", "doctor"), ("spendmeter dlq li", "list")])
def test_completion(words: str, expected: str) -> None:
    """Completion works for lazily imported commands too."""
    environment = {**os.environ, "_SPENDMETER_COMPLETE": "complete_bash", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(words.count(" "))
    program = "import sys; sys.argv = ['spendmeter']; from spendmeter_deploy.cli.app import main; main()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert ended.stdout.split() == [expected]
