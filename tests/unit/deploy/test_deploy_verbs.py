"""The subcommands of `spendmeter`."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from spendmeter_deploy.cli import app as cli
from spendmeter_deploy.cli.lazy import COMMANDS

VERBS = [
    "apikey",
    "bench",
    "collect",
    "demo",
    "dlq",
    "doctor",
    "explain",
    "files",
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
    assert COMMANDS["replay"][0] == COMMANDS["import"][0]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_shows_the_first_sentence_of_their_own_help(name: str) -> None:
    commands = get_command(cli.app).commands  # type: ignore[attr-defined]
    help_text = commands[name].load().help
    assert commands[name].help in ("Former name of import.", help_text.split(". ")[0].removesuffix(".") + ".")


@pytest.mark.parametrize(
    ("option", "output"), [("--help", "Usage: spendmeter"), ("--version", f"spendmeter {version('spendmeter')}\n")]
)
def test_help_and_version_import_no_driver(option: str, output: str) -> None:
    """`spendmeter --help` takes 0.2 s of CPU; with Rich it took 0.45, with store, Kafka and query service 2."""
    program = f"""
import sys, spendmeter_deploy.cli.app as cli
sys.argv = ["spendmeter", "{option}"]
try:
    cli.main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert output in ended.stdout
    heavy = {"aiokafka", "chdb", "clickhouse_connect", "faust", "numpy", "pyarrow", "pydantic", "rich", "starlette"}
    assert sorted(heavy & set(ended.stderr.split())) == []


@pytest.mark.parametrize(
    ("arguments", "end"), [(["--help"], "in one process tree."), (["prices", "--help"], "and send it to the workers.")]
)
def test_help_lists_whole_sentences(arguments: list[str], end: str) -> None:
    output = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "80"}).output
    assert end in " ".join(output.split())


def test_a_package_without_the_repository_names_the_place_of_the_benchmarks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cli, "CHECKOUT", tmp_path)
    ended = CliRunner().invoke(cli.app, ["bench"])
    assert ended.exit_code == 2
    assert "make bench" in ended.stderr
