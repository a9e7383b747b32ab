"""Test ClickHouse users: an engine whose only user has the grants and the profile of one of `clickhouse/users`.

chDB has one user, `default`, with the rights of a configuration file, so each role runs in its own process:
`python -m tests.support.grants FOLDER CONFIG CALLS`, which runs recorded calls and reports the rejected ones.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import clickhouse_connect

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.store import Session

ROOT: Final = Path(__file__).parents[2]
USERS: Final = ROOT / "clickhouse" / "users" / "spendmeter.xml"
DATABASE: Final = "spendmeter"
_RECORDED: Final = ("query", "command", "insert", "insert_arrow", "raw_query")
# Dictionaries load as `default`, which is a different user on a server.
_DICTIONARIES: Final = ("GRANT SELECT ON spendmeter.orgs", "GRANT SELECT ON spendmeter.users")

# Of `merge()` over tables that the user cannot see.
_NOTHING_VISIBLE: Final = "CANNOT_EXTRACT_TABLE_STRUCTURE"

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def migrated_folder(folder: Path) -> Path:
    """Create the folder of a migrated store in a separate process; return it."""
    program = (
        "import asyncio, sys; from spendmeter_clickhouse import *\n"
        f"with Store(StoreSettings(store_dsn='chdb://{folder}')) as store: asyncio.run(migrate(store))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
    return folder


def statement(sql: str, **settings: Any) -> Call:
    """Return a call that runs `sql`, with settings as the driver sends them."""
    return "query", (sql,), {"settings": settings} if settings else {}


@dataclass
class Recording:
    """Calls of the driver by session name."""

    calls: dict[str, list[Call]] = field(default_factory=dict)

    def of(self, *sessions: str) -> list[Call]:
        return [call for name in sessions for call in self.calls.get(name, ())]


class _Recorded:
    def __init__(self, client: Any, calls: list[Call]) -> None:
        self.__dict__.update(_client=client, _calls=calls)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in _RECORDED:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls.append((name, args, copy.deepcopy(kwargs)))
            return found(*args, **kwargs)

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._client, name, value)


@contextmanager
def recording() -> Iterator[Recording]:
    """Record the calls of all sessions opened inside the block."""
    found = Recording()
    opened = Store._open

    def record(self: Store, name: str, *args: Any, **kwargs: Any) -> Session:
        session = opened(self, name, *args, **kwargs)
        connect, calls = session._connect, found.calls.setdefault(name, [])
        session._connect = lambda: _Recorded(connect(), calls)  # type: ignore[assignment, return-value]
        return session

    Store._open = record  # type: ignore[method-assign]
    try:
        yield found
    finally:
        Store._open = opened  # type: ignore[method-assign]


def configuration(user: str, folder: Path) -> Path:
    """Return the configuration of an engine whose `default` user has the rights of `user`."""
    document = ElementTree.parse(USERS).getroot()  # noqa: S314 - our own file
    profiles, users = document.find("profiles"), document.find("users")
    assert profiles is not None
    assert users is not None
    ElementTree.SubElement(profiles, "default")
    chosen = users.find(user)
    assert chosen is not None, user
    document.remove(users)
    chosen.tag = "default"
    for password in chosen.findall("password"):
        password.attrib.clear()
    grants = chosen.find("grants")
    assert grants is not None
    for text in _DICTIONARIES:
        ElementTree.SubElement(grants, "query").text = text
    ElementTree.SubElement(document, "users").append(chosen)
    ElementTree.SubElement(ElementTree.SubElement(document, "quotas"), "default")
    ElementTree.ElementTree(document).write(folder / f"{user}.xml")
    config = folder / f"{user}-config.xml"
    config.write_text(f"<clickhouse><users_config>{folder / f'{user}.xml'}</users_config></clickhouse>")
    return config


def run_as(user: str, calls: Sequence[Call], *, store: Path, scratch: Path) -> list[str]:
    """Run `calls` as `user` on the store in the folder `store`. Return the first error line of each, or ''."""
    config, file = configuration(user, scratch), scratch / f"{user}.pickle"
    file.write_bytes(pickle.dumps(list(calls)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.grants", str(store), str(config), str(file)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[str] = json.loads(done.stdout.splitlines()[-1])
    return answers


def refused(errors: Sequence[str], calls: Sequence[Call]) -> list[str]:
    """Return the calls that lacked a grant or exceeded a limit of the profile."""
    why = ("ACCESS_DENIED", "Not enough privileges", "READONLY", "SETTING_CONSTRAINT_VIOLATION", _NOTHING_VISIBLE)
    return [
        f"{error[:300]}: {call[1][0]!s:.300}"
        for error, call in zip(errors, calls, strict=True)
        if any(word in error for word in why)
    ]


def main(store: str, config: str, file: str) -> None:
    """Run the child process: one engine, one role."""
    client: Any = clickhouse_connect.get_client(interface="chdb", path=f"{store}?config-file={config}", tz_mode="aware")
    client.database = DATABASE
    errors = []
    for name, args, kwargs in pickle.loads(Path(file).read_bytes()):  # noqa: S301 - written by the parent
        try:
            answer = getattr(client, name)(*args, **kwargs)
            if name == "query":
                _ = answer.result_rows
            errors.append("")
        except Exception as error:
            errors.append(" ".join(str(error).split())[:500])
    sys.stdout.write("\n" + json.dumps(errors) + "\n")
    sys.stdout.flush()
    # The engine prints while it is stopping.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
