"""What commands print on a terminal: commands that can be copied, and one line when the output cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer
from rich.console import Console

from spendmeter_deploy.cli.terminal.usage_errors import OneLineErrors
from spendmeter_deploy.embedded.greeting import greet

FULL = Path("/dev/full")


def test_the_greeting_has_a_command_that_a_shell_expands(capsys: pytest.CaptureFixture[str]) -> None:
    stack = SimpleNamespace(
        links=SimpleNamespace(issue=lambda key: "once"),
        key="unused",
        key_generated=False,
        url="http://127.0.0.1:1",
        broker=SimpleNamespace(bootstrap="127.0.0.1:2"),
        folder=SimpleNamespace(path="/data"),
    )
    greet(cast("Any", stack), Console())
    line = next(each for each in capsys.readouterr().out.splitlines() if "curl" in each)

    shown = subprocess.run(
        ["sh", "-c", line.replace("curl -s", "printf '%s\\n'")],
        env={**os.environ, "SPENDMETER_ADMIN_KEY": "the-key"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "Authorization: Bearer the-key" in shown.stdout


@pytest.mark.skipif(not FULL.exists(), reason="Linux has /dev/full")
def test_a_full_output_ends_a_command_with_one_line() -> None:
    program = "from spendmeter_deploy.cli.app import main; main()"
    with FULL.open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", program, "prices", "show", "openai", "gpt-4o", "--files-only"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (ended.returncode, ended.stderr) == (2, "spendmeter: [Errno 28] No space left on device\n")


def test_an_argument_that_is_not_utf_8_ends_a_command_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer(cls=OneLineErrors, pretty_exceptions_enable=False)

    @app.callback()
    def options() -> None:
        """Have subcommands."""

    @app.command()
    def send(name: str) -> None:
        name.encode()

    with pytest.raises(SystemExit) as ended:
        app(["send", "secret\udcff"])

    assert ended.value.code == 2
    assert capsys.readouterr().err == "spendmeter: an argument, setting or file has text that is not valid UTF-8\n"
