"""Commands that read the store of the embedded stack, while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from spendmeter_deploy.cli.app import app
from spendmeter_deploy.embedded.folder import DataFolder

EVENT_ID = "00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize(
    ("command", "request_line"),
    [
        (["explain", EVENT_ID], f"GET http://127.0.0.1:9/v1/usage/events/{EVENT_ID} "),
        (["apikey", "list"], "GET http://127.0.0.1:9/v1/api-keys "),
        (["apikey", "create", "name", "--scope", "platform:read"], "POST http://127.0.0.1:9/v1/api-keys "),
        (["apikey", "revoke", "spm_1"], "DELETE http://127.0.0.1:9/v1/api-keys/spm_1 "),
    ],
)
def test_the_request_that_answers_the_same_is_named(command: list[str], request_line: str, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    folder = DataFolder(tmp_path)
    folder.announce("127.0.0.1:8", "http://127.0.0.1:9")
    result = CliRunner().invoke(app, [*command, "--data-dir", str(tmp_path)])
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert request_line in result.stderr
