"""`spendmeter prices`, as a person runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import spendmeter_deploy.cli.prices as commands
from spendmeter_stream.pricing import PriceBook, packaged_directory

run = CliRunner().invoke


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "seed").mkdir()
    shutil.copy(packaged_directory() / "seed" / "groq.toml", tmp_path / "seed")
    return tmp_path


def test_check_counts_the_rows_of_the_book() -> None:
    result = run(commands.app, ["check"])

    assert result.exit_code == 0
    assert f"book {PriceBook.load().version}: " in result.stdout


def test_check_names_stale_providers(folder: Path) -> None:
    result = run(commands.app, ["check", "--directory", str(folder), "--stale-days", "0"])

    assert "groq: " in result.stdout
    assert "not verified for more than 0 days" in result.stdout


def test_check_lists_every_fault_and_fails(folder: Path) -> None:
    (folder / "groq.toml").write_text('provider = "groq"\naliasses = []\nresells = ["oopenai"]\n')

    result = run(commands.app, ["check", "--directory", str(folder)])

    assert result.exit_code == 1
    assert "groq.toml:2: unknown key 'aliasses'; did you mean 'aliases'?" in result.stderr
    assert "2 errors" in result.stderr


def test_diff_reports_that_there_is_no_difference() -> None:
    result = run(commands.app, ["diff", "groq", "cohere"])

    assert (result.exit_code, result.stdout) == (0, "the seed is up to date with genai-prices\n")


def test_diff_shows_what_import_then_does(folder: Path) -> None:
    file = folder / "seed" / "groq.toml"
    file.write_text(
        file.read_text().replace("input_tokens = 0.59, output_tokens = 0.79", "input_tokens = 0.6, output_tokens = 0.8")
    )
    before = file.read_text()

    shown = run(commands.app, ["diff", "groq", "--directory", str(folder)])
    assert shown.exit_code == 1
    assert "~ llama-3.3-70b-versatile: input_tokens 0.6, output_tokens 0.8 -> input_tokens 0.59" in shown.stdout
    assert file.read_text() == before, "diff writes nothing"

    done = run(commands.app, ["import", "groq", "--directory", str(folder), "--effective", "2026-11-01"])
    assert done.exit_code == 0
    assert "groq: " in done.stdout
    assert "to = 2026-11-01T00:00:00Z" in file.read_text()
    assert run(commands.app, ["diff", "groq", "--directory", str(folder)]).exit_code == 0


def test_import_reports_what_it_leaves_out(tmp_path: Path) -> None:
    result = run(commands.app, ["import", "perplexity", "--directory", str(tmp_path)])

    assert result.exit_code == 0
    assert "skipped sonar: requests_kcount has no unit in events" in result.stdout
    assert (tmp_path / "seed" / "perplexity.toml").is_file()


def test_an_unknown_provider_is_refused() -> None:
    result = run(commands.app, ["import", "grok"])

    assert result.exit_code == 2
    assert "cannot seed" in result.stderr


def test_without_the_package_the_command_names_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "find_spec", lambda name: None)

    result = run(commands.app, ["diff"])

    assert result.exit_code == 2
    assert "spendmeter[prices]" in result.stderr
