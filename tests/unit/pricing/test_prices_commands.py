"""`spendmeter prices`, as an operator runs it."""

from __future__ import annotations

import shutil
from datetime import date
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


def test_check_warns_of_old_factors_and_aliases_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_today", lambda: date(2026, 11, 26))
    block = 'models = ["{0}"]\nfrom = "beginning"\nsource = "https://x.example/{0}"\nverified_at = {1}\n'
    (tmp_path / "maker.toml").write_text(
        'provider = "maker"\n'
        f"[[price]]\n{block.format('m', '2026-11-01')}per_million = {{ input_tokens = 1 }}\n"
        f"[[multiplier]]\n{block.format('m', '2024-02-01')}regions = ['eu']\nfactor = 1.1\n"
        f"[[alias]]\n{block.format('m-latest', '2024-01-01')}serves = 'm'\n"
    )

    result = run(commands.app, ["check", "--directory", str(tmp_path), "--max-age", "90", "--names"])

    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "maker: 2 rows not verified for more than 90 days",
        "  maker.toml:15: m-latest: verified 2024-01-01, https://x.example/m-latest",
        "  maker.toml:8: m: verified 2024-02-01, https://x.example/m",
        "warning: 2 of 3 rows not verified for more than 90 days, the oldest since 2024-01-01 (maker.toml:15)",
    ]


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


def test_check_names_stale_rows_and_undated_aliases(folder: Path) -> None:
    shutil.copy(packaged_directory() / "seed" / "mistral.toml", folder / "seed")

    result = run(commands.app, ["check", "--directory", str(folder), "--stale-days", "0", "--names"])

    assert "  seed/groq.toml:10: canopylabs/orpheus-arabic-saudi: verified 2026-11-04, genai-prices" in result.stdout
    assert "names in -latest without dated periods: mistral codestral-latest, " in result.stdout


def test_show_prints_the_rates_in_force_and_why() -> None:
    result = run(commands.app, ["show", "DeepSeek", "deepseek-chat", "--at", "2026-05-15", "--files-only"])

    assert result.exit_code == 0
    assert "deepseek deepseek-chat at 2026-05-15T00:00:00Z, tier standard" in result.stdout
    assert "alias: serves deepseek-v4-flash (2026-04-24T00:00Z to now; https://api-docs.deepseek.com/" in result.stdout
    assert "  input_tokens 0.14 USD per million  reviewed deepseek.toml:" in result.stdout


def test_show_names_each_unit_once_and_the_rate_of_text_that_it_has() -> None:
    result = run(commands.app, ["show", "openai", "gpt-4o", "--files-only"])

    rates = [line.split("  ")[1] for line in result.stdout.splitlines() if line.startswith("  ")]
    assert "input_tokens 2.5 USD per million" in rates
    assert "input_image_tokens 2.5 USD per million, as input_tokens" in rates
    units = [rate.split()[0] for rate in rates]
    assert len(units) == len(set(units))


def test_show_names_the_factor_and_a_place_without_a_price() -> None:
    zone = run(commands.app, ["show", "azure", "us/gpt-4o-2024-11-20", "--files-only"])
    unknown = run(commands.app, ["show", "bedrock", "me.amazon.nova-pro-v1:0", "--files-only"])

    assert "input_tokens 2.5 USD per million x 1.1  seed seed/openai.toml:" in zone.stdout
    assert "the place has no price: calls are partial with the unit region" in unknown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "nobody", "m"], "unknown provider 'nobody': calls are unpriced"),
        (["show", "openai", "gpt-99"], "no price in force: calls are unpriced"),
        (["history", "openai", "gpt-99"], "no price for openai gpt-99"),
        (["show", "openai", "gpt-4o", "--at", "soon"], "soon"),
    ],
)
def test_show_and_history_fail_without_a_price(arguments: list[str], message: str) -> None:
    result = run(commands.app, [*arguments, "--files-only"])

    assert result.exit_code != 0
    assert message in result.output


def test_history_lists_dated_rows_and_the_served_models() -> None:
    result = run(commands.app, ["history", "gemini", "gemini-flash-latest", "--files-only"])

    assert result.exit_code == 0
    assert "2026-01-21T00:00Z to 2026-05-19T00:00Z  serves gemini-3-flash-preview" in result.stdout
    assert "beginning to 2026-01-21T00:00Z  input_tokens 0.3 USD per million  seed/google.toml:" in result.stdout
