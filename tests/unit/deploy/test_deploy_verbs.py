"""The verbs of the `spendmeter` command."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from spendmeter_deploy.cli import app as cli

VERBS = [
    "apikey",
    "bench",
    "demo",
    "dlq",
    "fx",
    "import",
    "migrate",
    "prices",
    "reprice",
    "rollups",
    "serve",
    "up",
    "verify",
    "worker",
]


def test_the_verbs() -> None:
    commands = get_command(cli.app).commands  # type: ignore[attr-defined]
    assert sorted(name for name, command in commands.items() if not command.hidden) == VERBS


def test_replay_is_a_hidden_alias_of_import() -> None:
    commands = get_command(cli.app).commands  # type: ignore[attr-defined]
    assert commands["replay"].callback.__wrapped__ is commands["import"].callback.__wrapped__


def test_a_package_without_the_repository_says_where_the_benchmarks_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cli, "CHECKOUT", tmp_path)
    ended = CliRunner().invoke(cli.app, ["bench"])
    assert ended.exit_code == 2
    assert "make bench" in ended.stderr
