"""Every option and argument of every command with odd values: no traceback; usage errors are one line with code 2."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from spendmeter_deploy.cli import app as cli
from spendmeter_stream.kafka.topic_admin import ensure_topics
from tests.support.forked import Ended, ForkedCommand, forked_command
from tests.support.worker import stream_settings

NUMBERS = ("0", "-1", "nan", str(10**22), str(-(10**22)))
TIMES = (
    *("0001-01-01", "9999-12-31", "0001-01", "9999-12", "2149-06", "2026-02-30", str(10**22)),
    *("0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"),
)
TEXTS = ("", "x")
VALID = {
    "apikey create": ["name", "--scope", "platform:read"],
    "apikey revoke": ["spm_0000000000"],
    "dlq show": ["0"],
    "fx import": ["rates.csv"],
    "import": [
        *("calls.jsonl", "--org", "acme", "--provider", "openai", "--model", "gpt-4o", "--feature", "chat"),
        *("--column", "occurred_at=occurred_at", "--column", "input_tokens=input_tokens"),
    ],
    "reprice": ["--from", "2026-10-01", "--to", "2026-10-02", "--files-only", "--yes"],
    "rollups rebuild": ["--month", "2026-10", "--no-ingest"],
}
"""Required arguments of each command; the value under test comes last, so that it wins."""
NOT_RUN = frozenset({"bench", "collect", "serve"})
"""`bench` runs another program, and another test covers the address of `serve` and `collect`."""
PATHS = frozenset({"data_dir", "directory", "file"})
"""Options for which any text except the empty one is a valid path."""
TIME_OPTIONS = frozenset({"since", "start", "end"})
"""Options that are parsed as a time."""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield the words and the command of each leaf."""
    for name, listed in group.commands.items():
        command = listed.load() if hasattr(listed, "load") else listed
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


LEAVES = {words: command for words, command in commands(get_command(cli.app)) if words not in NOT_RUN}


def values(parameter: Any) -> tuple[str, ...]:
    """Return the values to try, by the type of the option."""
    kind = parameter.type_descriptor.annotation
    if parameter.name in PATHS:
        return ("",)
    if kind is datetime or parameter.name in TIME_OPTIONS:
        return (*TEXTS, *TIMES)
    return (*TEXTS, *NUMBERS) if kind in (int, float) else TEXTS


def cases(words: str) -> Iterator[list[str]]:
    """Yield the arguments of each run of a command: one option at a time has an unusual value."""
    base = [*words.split(), *VALID.get(words, ())]
    for parameter in LEAVES[words].params:
        if getattr(parameter, "is_flag", False):
            continue
        for value in values(parameter):
            if parameter.param_type_name == "option":
                yield [*base, f"{parameter.opts[-1]}={value}"]
            else:
                yield [*words.split(), value, *VALID.get(words, [])[1:]]


@pytest.fixture(scope="module")
def command() -> Iterator[ForkedCommand]:
    with forked_command() as forked:
        yield forked


@pytest.fixture
async def surroundings(tmp_path: Path, fresh_tansu: Any, clickhouse_http: Any) -> dict[str, str]:
    """Yield a broker, a store with its schema, a data folder in use by another stack, and files to import."""
    settings = stream_settings(fresh_tansu.connection)
    await ensure_topics(settings.client_options(), usage_partitions=1)
    (tmp_path / "calls.jsonl").write_text('{"occurred_at": "2026-10-01T00:00:00Z", "input_tokens": 1}\n')
    (tmp_path / "rates.csv").write_text("date,currency,rate,source\n2026-10-01,INR,84.1,x\n")
    (tmp_path / "taken").mkdir()
    return {
        "SPENDMETER_BOOTSTRAP": settings.bootstrap,
        "SPENDMETER_STORE_DSN": clickhouse_http.dsn_of("option_values"),
        # `demo` and `up` exit there, after their options were checked.
        "SPENDMETER_DATA_DIR": str(tmp_path / "taken"),
    }


def judge(arguments: list[str], ended: Ended) -> None:
    """Check that a run succeeded, found a difference, or failed with one line."""
    seen = (arguments, ended)
    assert "Traceback" not in ended.stderr + ended.stdout, seen
    assert "not awaited" not in ended.stderr, seen
    assert ended.code in (0, 1, 2), seen
    if any(text == "" or text.endswith("=") for text in arguments):
        assert ended.code == 2, seen
    if ended.code == 2:
        assert ended.stderr.count("\n") == 1, seen
        assert ended.stderr.startswith("spendmeter: "), seen


def test_an_odd_value_is_accepted_or_refused_in_one_line(
    command: ForkedCommand, surroundings: dict[str, str], tmp_path: Path
) -> None:
    assert command.run("migrate", folder=tmp_path, **surroundings).code == 0
    with (tmp_path / "taken" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = sorted(tmp_path.iterdir())
        runs = [arguments for words in sorted(LEAVES) for arguments in cases(words)]
        assert len(runs) > 150
        for arguments in runs:
            ended = command.run(*arguments, folder=tmp_path, **surroundings)
            judge(arguments, ended)
        assert sorted(tmp_path.iterdir()) == before, "an empty or odd path created a file"


def test_a_check_that_compares_nothing_is_refused(
    command: ForkedCommand, surroundings: dict[str, str], tmp_path: Path
) -> None:
    assert command.run("migrate", folder=tmp_path, **surroundings).code == 0
    refused = command.run("verify", "--from", "2140-01-01", folder=tmp_path, **surroundings)
    assert refused.code == 2
    assert refused.stderr == (
        "spendmeter: nothing to compare: no rows are stored in these days; choose other days, or omit --from and --to\n"
    )


@pytest.mark.parametrize("service", ["serve", "collect"])
@pytest.mark.parametrize("host", ["", "x" * 300, "é" * 100, "no.such.host.invalid"])
def test_the_address_of_a_service_is_refused_in_one_line(
    command: ForkedCommand, service: str, host: str, tmp_path: Path
) -> None:
    dsn = "http://127.0.0.1:1/spendmeter"
    ended = command.run(service, "--host", host, "--port", "0", folder=tmp_path, SPENDMETER_STORE_DSN=dsn)
    judge([service, host], ended)
    assert ended.code == 2
