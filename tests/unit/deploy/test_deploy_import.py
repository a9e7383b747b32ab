"""`spendmeter import --dry-run`: events, their cost, and the summary, without a broker."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from spendmeter_deploy.cli import app as cli

COLUMNS = ("--column", "occurred_at=at", "--column", "input_tokens=in")
CALL = ("--org", "acme", "--provider", "openai", "--feature", "chat", *COLUMNS)
HEADER = "id;at;in;model\n"
PRICED = "1;2026-11-02T10:00:00Z;1000000;gpt-4o\n"
UNPRICED = "2;2026-11-02T10:00:00Z;10;nobody-has-this\n"
INVALID = "3;2026-11-02T10:00:00Z;x;gpt-4o\n"


def dry_run(*files: Path, stdin: str = "") -> tuple[int, list[str], str]:
    arguments = ["import", "--dry-run", "--delimiter", ";", "--column", "model=model", *CALL, *map(str, files)]
    done = CliRunner().invoke(cli.app, arguments, input=stdin)
    return done.exit_code, done.stdout.splitlines(), done.stderr


def write(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(rows))
    return path


def test_a_dry_run_shows_events_with_their_cost_and_a_summary(tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", PRICED, UNPRICED, INVALID)
    second = write(tmp_path / "b.csv", PRICED)
    code, (*events, done, calls), errors = dry_run(first, second)
    shown = [json.loads(event) for event in events]
    assert [(each["input_tokens"], each["cost_usd"], each["pricing_status"]) for each in shown] == [
        (1_000_000, "2.5", "priced"),
        (10, "0", "unpriced"),
        (1_000_000, "2.5", "priced"),
    ]
    assert done == "3 events read, nothing published, 1 line rejected"
    assert calls == "2 calls, 1 repeated in the files, 1 unpriced; cost 2.5 USD by the price book"
    assert (code, errors.strip()) == (1, f"{first} line 4: input_tokens: not a whole number")


def test_only_the_first_events_are_shown(tmp_path: Path) -> None:
    code, lines, _ = dry_run(write(tmp_path / "a.csv", *[PRICED] * 7))
    assert (code, len(lines)) == (0, 5 + 2)
    assert lines[-1] == "7 calls, 0 repeated in the files, 0 unpriced; cost 17.5 USD by the price book"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    code, _, errors = dry_run(tmp_path / "none.csv")
    assert (code, errors) == (2, f"spendmeter: {tmp_path / 'none.csv'}: no such file\n")
