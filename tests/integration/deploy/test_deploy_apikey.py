"""`spendmeter apikey` on the folder of a stopped stack: the key is printed once, listed by its prefix, revoked."""

from __future__ import annotations

from pathlib import Path

from spendmeter_clickhouse.api_keys import prefix_of
from tests.support.verbs import run_verb

APIKEY = "from spendmeter_deploy.cli.apikey import app; app()"


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    """Row 23."""
    (tmp_path / "data" / "store").mkdir(parents=True)
    here = ("--data-dir", tmp_path / "data")

    refused = run_verb(APIKEY, "create", "dashboard", "--scope", "org:read", *here)
    assert (refused.returncode, refused.stdout) == (2, "")
    made = run_verb(APIKEY, "create", "dashboard", "--scope", "org:read", "--org", "acme", "--days", "30", *here)
    token = made.stdout.strip()
    # The secret is URL-safe base64, which may contain underscores.
    prefix, secret = prefix_of(token), token.removeprefix(prefix_of(token) + "_")
    assert (made.returncode, len(token), len(secret)) == (0, 58, 43)
    assert secret not in made.stderr

    assert "is revoked" in run_verb(APIKEY, "revoke", prefix, *here).stdout
    listed = run_verb(APIKEY, "list", *here).stdout
    (row,) = [line for line in listed.splitlines() if prefix in line]
    assert all(word in row for word in ("dashboard", "org:read", "acme", "revoked"))
    assert secret not in listed


def test_a_list_in_a_pipe_is_as_wide_as_its_text(tmp_path: Path) -> None:
    """A truncated value is useless to a script. A name is text, not markup."""
    (tmp_path / "data" / "store").mkdir(parents=True)
    here = ("--data-dir", tmp_path / "data")
    name = "[/x] " + "dashboard " * 12 + "end"
    made = run_verb(APIKEY, "create", name, "--scope", "platform:read", *here, COLUMNS="80")
    assert made.returncode == 0, made.stderr
    listed = run_verb(APIKEY, "list", *here, COLUMNS="80")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert name in listed.stdout


def test_a_narrow_terminal_shows_the_whole_prefix(tmp_path: Path) -> None:
    """`revoke` needs it."""
    (tmp_path / "data" / "store").mkdir(parents=True)
    here = ("--data-dir", tmp_path / "data")
    made = run_verb(APIKEY, "create", "a dashboard of finance", "--scope", "org:read", "--org", "school-1", *here)
    listed = run_verb(APIKEY, "list", *here, COLUMNS="60", FORCE_COLOR="1", TERM="dumb")
    assert prefix_of(made.stdout.strip()) in listed.stdout, listed.stdout
