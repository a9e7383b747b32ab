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
    "migrate",
    "prices",
    "replay",
    "reprice",
    "rollups",
    "serve",
    "up",
    "verify",
    "worker",
]


def test_the_verbs() -> None:
    assert sorted(get_command(cli.app).commands) == VERBS  # type: ignore[attr-defined]


def test_a_package_without_the_repository_says_where_the_benchmarks_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cli, "CHECKOUT", tmp_path)
    ended = CliRunner().invoke(cli.app, ["bench"])
    assert ended.exit_code == 2
    assert "make bench" in ended.stderr
