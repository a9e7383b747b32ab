"""`spendmeter prices set|unset|history` with odd files and foreign rows."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import spendmeter_deploy.cli.prices as commands
from spendmeter_deploy.cli.pricing import price_rows
from spendmeter_deploy.cli.pricing.row_files import read_row
from spendmeter_stream.pricing.row_key import key_of

ROW: dict[str, Any] = {
    "provider": "openai",
    "models": ["gpt-4o"],
    "from": "2026-11-26T00:00:00Z",
    "per_million": {"input_tokens": "1234567.8901234"},
    "source": "contract",
    "verified_at": "2026-11-20",
}


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The rows of the topic."""
    found: dict[str, Any] = {}

    async def read(options: object) -> dict[str, Any]:
        return dict(found)

    monkeypatch.setattr(price_rows, "read_price_rows", read)
    monkeypatch.setattr(price_rows, "broker_errors", lambda settings: nullcontext())
    return found


def command(*arguments: str) -> Result:
    return CliRunner().invoke(commands.app, [*arguments, "--bootstrap", "127.0.0.1:1"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe{\x00", "utf-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[1]", "expected one object"),
    ],
)
@pytest.mark.parametrize("name", ["row.json", "row.toml"])
def test_a_broken_file_is_refused_in_one_line(content: bytes, message: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)

    result = command("set", str(tmp_path / name))

    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert message in result.stderr or name == "row.toml"


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "row.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(ROW).encode())

    assert read_row(tmp_path / "row.json") == ROW


def test_toml_and_json_have_the_same_key_for_the_same_row(tmp_path: Path) -> None:
    (tmp_path / "row.toml").write_text(
        'provider = "openai"\nmodels = ["gpt-4o"]\nfrom = 2026-11-26T00:00:00Z\nsource = "contract"\n'
        "verified_at = 2026-11-20\nper_million = { input_tokens = 1234567.8901234 }\n"
        "daily = { start = 22:00:00, end = 06:00:00 }\n"
    )
    row = read_row(tmp_path / "row.toml")

    assert row == {**ROW, "daily": {"start": "22:00:00", "end": "06:00:00"}}
    assert key_of({**row, "daily": None}) == key_of(ROW)


@pytest.mark.parametrize(
    "changes",
    [{"org": "batch"}, {"tiers": ["batch"]}, {"regions": ["batch"]}, {"context_from": 1}, {"daily": {"start": "22:00"}},
     {"serves": "gpt-4o-2024-08-06"}, {"factor": "0.9"}],
)  # fmt: skip
def test_rows_that_apply_side_by_side_have_different_keys(changes: dict[str, Any]) -> None:
    keys = {key_of(ROW), key_of({**ROW, "org": "batch", "tiers": ["x"]}), key_of({**ROW, **changes})}

    assert len(keys) == 3


def test_a_row_that_the_book_rejects_fails(rows: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "row.json").write_text(json.dumps({**ROW, "bogus": 1}))

    result = command("set", str(tmp_path / "row.json"), "--dry-run")

    assert result.exit_code == 1
    assert "unknown key 'bogus'" in result.stderr


def test_history_shows_every_digit_every_org_and_no_control_character(rows: dict[str, Any]) -> None:
    rows["far"] = {**ROW, "from": "9999-12-31T23:59:59-23:00", "org": "s-2"}
    rows["odd\x1b[31m"] = {**ROW, "org": "s-1", "source": "x\x1b[31m\nnext"}

    result = command("history", "openai", "gpt-4o")

    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "input_tokens 1234567.8901234 USD per million" in result.stdout
    assert "org s-1" in result.stdout
    assert "beyond the calendar to now" in result.stdout


def test_history_lists_the_topics_rows_of_the_model_and_rejected_rows(rows: dict[str, Any]) -> None:
    rows |= {
        "mine": {**ROW, "org": "s-1"},
        "factor": {key: value for key, value in ROW.items() if key != "per_million"} | {"factor": "0.9", "org": "s-2"},
        "another model's": {**ROW, "models": ["gpt-4o-mini"]},
        "overlapping": {**ROW, "org": "s-1"},
        "place": {**ROW, "org": "s-3", "regions": ["eu-*"], "tiers": ["batch"]},
        "gone": None,
    }

    lines = command("history", "openai", "gpt-4o").stdout.splitlines()

    of_topic = [line.removeprefix("topic ") for line in lines if line.startswith("topic ")]
    assert [line.split(":")[0] for line in of_topic] == ["factor", "mine", "place", "overlapping"]
    assert of_topic[3].startswith("overlapping: not in force: row overlapping: overlap")


def test_a_row_is_valid_although_another_row_is_rejected(rows: dict[str, Any], tmp_path: Path) -> None:
    """Given rejected rows on the topic, when a valid row is checked, then only its own faults count."""
    rows |= {"odd": {"provider": "openai"}}
    (tmp_path / "row.json").write_text(json.dumps(ROW))

    result = command("set", str(tmp_path / "row.json"), "--dry-run")

    assert (result.exit_code, result.stderr) == (0, "")


def test_a_row_that_would_displace_another_row_fails(rows: dict[str, Any], tmp_path: Path) -> None:
    rows["later"] = ROW
    (tmp_path / "row.json").write_text(json.dumps({**ROW, "from": "2026-11-01T00:00:00Z"}))

    result = command("set", str(tmp_path / "row.json"), "--dry-run")

    assert result.exit_code == 1
    assert "row later: overlap" in result.stderr


def test_set_prints_the_row_that_it_replaces(rows: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "row.json").write_text(json.dumps(ROW))
    check = ("set", str(tmp_path / "row.json"), "--key", "mine", "--dry-run")
    assert len(command(*check).stdout.splitlines()) == 1

    rows["mine"] = {**ROW, "source": "an older contract"}
    replacing = command(*check).stdout.splitlines()
    rows["mine"] = dict(ROW)
    equal = command(*check).stdout.splitlines()

    assert replacing[0].startswith("row mine is valid; book ")
    assert replacing[1:] == [
        f"would replace the earlier row of its key: {json.dumps({**ROW, 'source': 'an older contract'})}"
    ]
    assert equal[1:] == ["the topic already had this row"]


@pytest.mark.parametrize("arguments", [("set", "ROW", "--key", "k\udcff"), ("unset", "k\udcff")])
def test_a_key_that_is_not_utf_8_is_refused_in_one_line(
    rows: dict[str, Any], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "row.json").write_text(json.dumps(ROW))

    result = command(*(str(tmp_path / "row.json") if each == "ROW" else each for each in arguments))

    assert result.exit_code == 2
    assert result.stderr == "spendmeter: the key 'k\\udcff' is not valid UTF-8; choose another with --key\n"


def test_a_removed_row_cannot_be_removed_again(rows: dict[str, Any]) -> None:
    rows["gone"] = None

    result = command("unset", "gone")

    assert (result.exit_code, result.stderr.count("no row with the key 'gone'")) == (2, 1)
