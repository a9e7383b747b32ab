"""The environment of a command: misspelt names and invalid values are reported in one line at the start."""

from __future__ import annotations

import importlib
import os
import pkgutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings
from typer.testing import CliRunner

from spendmeter_deploy.cli import app as cli
from spendmeter_deploy.environment import (
    DEPLOYMENT,
    SETTINGS,
    describe_unknown,
    invalid_values,
    setting_names,
    unknown_names,
)
from tests.support.stack import spendmeter

ROOT = Path(__file__).parents[3]
NO_FILE = Path("/nonexistent/.env")
PACKAGES = ("spendmeter_clickhouse", "spendmeter_stream", "spendmeter_rollups", "spendmeter_deploy")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("SPENDMETER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> tuple[int, str]:
    """Return exit code and stderr of a command that needs no store."""
    ended = CliRunner().invoke(cli.app, list(arguments))
    assert ended.exception is None or isinstance(ended.exception, SystemExit)
    return ended.exit_code, ended.stderr


def test_every_group_of_settings_is_checked() -> None:
    """The variables of a settings group that is not listed would be unknown."""
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(path, f"{package}."):
            importlib.import_module(module.name)

    def below(group: type[BaseSettings]) -> set[type[BaseSettings]]:
        return {group}.union(*(below(each) for each in group.__subclasses__()))

    ours = {each for each in below(BaseSettings) if each.__module__.startswith("spendmeter_")}
    names = {f"SPENDMETER_{name}".upper() for each in ours for name in each.model_fields}
    assert names == setting_names()


@pytest.mark.parametrize("command", ["worker", "serve", "collect", "up", "demo"])
def test_a_process_that_runs_on_refuses_a_misspelt_setting(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("SPENDMETER_CHUNK_RECORD", "5")
    message = "SPENDMETER_CHUNK_RECORD is not a setting; did you mean SPENDMETER_CHUNK_RECORDS?"
    assert run(command) == (2, f"spendmeter: {message}\n")


def test_a_command_that_stops_logs_a_warning_and_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPENDMETER_XYZZY", "1")
    code, error = run("prices", "check")
    assert (code, error) == (0, "spendmeter: SPENDMETER_XYZZY is not a setting\n")


def test_several_misspelt_settings_are_one_line_and_a_file_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPENDMETER_BOOTSTRAPS", "kafka:9092")
    (tmp_path / ".env").write_text("# SPENDMETER_NOT_THIS=1\nSPENDMETER_GROPU=x\nSPENDMETER_GROUP=y\nOTHER=z\n")
    code, error = run("worker")
    assert (code, error.count("\n")) == (2, 1)
    assert "SPENDMETER_BOOTSTRAPS is not a setting; did you mean SPENDMETER_BOOTSTRAP?" in error
    assert "SPENDMETER_GROPU is not a setting; did you mean SPENDMETER_GROUP?" in error


def test_variables_of_the_deploy_files_are_known() -> None:
    """The variables that compose, Kubernetes, ClickHouse's users and Grafana read, taken from their files."""
    compose: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    names = {name for service in compose["services"].values() for name in service.get("environment", {})}
    names |= {secret["environment"] for secret in compose["secrets"].values()}
    for path in (*(ROOT / "deploy").rglob("*"), *(ROOT / "clickhouse" / "users").iterdir()):
        if path.suffix in (".yaml", ".xml", ".md"):
            names |= {word for word in path.read_text().replace("$", " ").split() if word.startswith("SPENDMETER_")}
    names = {name.strip("`.,:;=") for name in names if name.strip("`.,:;=").replace("_", "").isalnum()}
    assert unknown_names(names, dotenv=ROOT / ".env.example") == []
    assert not DEPLOYMENT & setting_names()


def test_variables_of_producers_are_checked() -> None:
    names = ("SPENDMETER_EMIT_SPOOL_DIR", "SPENDMETER_EMIT_SPOL_DIR")
    assert unknown_names(names, dotenv=NO_FILE) == ["SPENDMETER_EMIT_SPOL_DIR"]
    assert describe_unknown(names[1:]).endswith("is not a setting; did you mean SPENDMETER_EMIT_SPOOL_DIR?")


def test_variables_that_kubernetes_adds_for_services_are_not_ours() -> None:
    links = ("SPENDMETER_API_SERVICE_HOST", "SPENDMETER_API_SERVICE_PORT_HTTP", "SPENDMETER_API_PORT_80_TCP_ADDR")
    assert unknown_names(links, dotenv=NO_FILE) == []


INVALID = {
    "int": ("many", "1.5", "-1", "99999999999999999999"),
    "float": ("much", "-1", "nan", "inf", "1e300"),
}


def numbers() -> list[tuple[str, str]]:
    """Yield every numeric setting, with invalid values."""
    found = []
    for group in SETTINGS:
        for name, field in group.model_fields.items():
            for kind, values in INVALID.items():
                if getattr(field.annotation, "__name__", "") == kind:
                    found += [(f"SPENDMETER_{name}".upper(), value) for value in values]
    return found


def test_every_number_is_checked_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(numbers()) > 70
    for name, value in numbers():
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            faults = invalid_values()
        assert [fault.partition(":")[0] for fault in faults] == [name], (name, value, faults)
        assert value not in faults[0] or len(value) < 3


TEXTS = {
    "SPENDMETER_STORE_DSN": (
        *("mysql://x", "http://", "http://store:port/", "http://store:99999/", "http://store:0/", "http://[::1/x"),
        *(
            "chdb:",
            "chdb://",
            "chdb:///",
            "chdb://folder",
            "http://st ore/x",
            "http://store/two/parts",
            "http://store/a-b",
        ),
    ),
    **{f"SPENDMETER_WORD_{word}": ("a/b/c", "a/", "w" * 31) for word in ("ORG", "CLASS", "SECTION", "USER")},
    "SPENDMETER_READER_DSN": ("clickhouse", "http://store:99999/x", "chdb://", "https:///x"),
    "SPENDMETER_BOOTSTRAP": (
        "kafka",
        "kafka:",
        ":9092",
        "kafka:0",
        "kafka:99999",
        "kafka:x",
        "http://kafka:9092",
        "a:1,b",
    ),
    "SPENDMETER_SECURITY_PROTOCOL": ("TLS",),
    "SPENDMETER_SASL_MECHANISM": ("GSSAPI",),
    "SPENDMETER_SASL_USERNAME": ("only-with-sasl",),
    "SPENDMETER_SASL_PASSWORD": ("only-with-sasl",),
    "SPENDMETER_SSL_CAFILE": ("/only-with-ssl",),
    "SPENDMETER_GROUP": (" ", " x"),
    "SPENDMETER_WORKER_HOST": (" ",),
    "SPENDMETER_HOST": (" ",),
    "SPENDMETER_TOPIC_ID": ("a b", "x" * 65),
    "SPENDMETER_PRICES_PATH": ("/nonexistent", __file__),
    "SPENDMETER_GUARD_THRESHOLDS_PATH": ("/nonexistent", "/"),
    "SPENDMETER_ALERT_WEBHOOK_URL": ("pager", "http://", "https://pager:x/", "ftp://pager/"),
    "SPENDMETER_CORS_ORIGINS": (
        "foo",
        "*",
        "https://a.example/",
        "https://a.example,b",
        "https://u@a.example",
        "http://a:x",
    ),
    "SPENDMETER_OIDC_ISSUER": (
        "http://issuer.example.org",
        "http://127.0.0.1.example.org",
        "https://",
        "https://issuer:x",
    ),
    "SPENDMETER_SPAN_ATTRIBUTES": ("cost=x", "org_id", "org_id=", "tenant.id=org_id"),
    "SPENDMETER_OIDC_ALGORITHMS": ("HS256", ",", "RS256,none"),
    "SPENDMETER_ADMIN_KEY": ("short",),
    "SPENDMETER_METRICS_TOKEN": ("short",),
}
ANY_TEXT = {
    "SPENDMETER_ALERT_WEBHOOK_SECRET": "a secret of another system",
    "SPENDMETER_DATA_DIR": "any path; a folder that cannot be used is refused when it is locked",
    "SPENDMETER_OIDC_AUDIENCE": "any text",
    "SPENDMETER_OIDC_ORG_CLAIM": "any text",
    "SPENDMETER_OIDC_SCOPE_CLAIM": "any text",
}


def test_every_setting_is_checked_by_a_test() -> None:
    assert setting_names() == {name for name, _ in numbers()} | TEXTS.keys() | ANY_TEXT.keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in TEXTS.items() for value in values])
def test_a_text_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    faults = invalid_values()
    # SASL credentials without SASL are one fault of several settings.
    assert any(name in fault or f"{name.rpartition('_')[0]}_*" in fault for fault in faults), faults


def test_a_password_in_an_invalid_url_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("http://spendmeter:se/cret@store:8123/x", "http://spendmeter:se:cret@store:x/", "se-cret"):
        monkeypatch.setenv("SPENDMETER_STORE_DSN", url)
        (fault,) = invalid_values()
        assert "cret" not in fault


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.setenv(name, "")
    assert invalid_values() == []
    for group in SETTINGS:
        settings = group()
        assert settings.model_fields_set == set()
        assert settings.model_dump() == {name: field.default for name, field in group.model_fields.items()}


BROKEN_BOOK = """provider = "p"
[[price]]
"""


@pytest.mark.parametrize("command", ["worker", "up", "demo"])
@pytest.mark.parametrize("name", ["SPENDMETER_PRICES_PATH", "SPENDMETER_GUARD_THRESHOLDS_PATH"])
def test_a_file_that_a_worker_could_not_load_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, name: str
) -> None:
    file = tmp_path / "book" / "p.toml"
    file.parent.mkdir()
    file.write_text(BROKEN_BOOK)
    monkeypatch.setenv(name, str(file.parent if name.endswith("PRICES_PATH") else file))
    code, error = run(command)
    assert (code, error.count("\n")) == (2, 1)
    assert name in error
    assert [path.name for path in tmp_path.iterdir()] == ["book"]


def test_a_certificate_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPENDMETER_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("SPENDMETER_SSL_CAFILE", "/nonexistent/ca.pem")
    (fault,) = invalid_values()
    assert fault.startswith("SPENDMETER_SSL_CAFILE:")


def test_all_faults_are_one_line_without_a_traceback() -> None:
    wrong = {
        "SPENDMETER_PORT": "x",
        "SPENDMETER_CHUNK_RECORDS": "0",
        "SPENDMETER_QUERY_ROWS": "0",
        "SPENDMETER_GRUOP": "",
    }
    ended = spendmeter("demo", **wrong)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    for name in wrong:
        assert name in line
