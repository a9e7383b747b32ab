"""The test server as a child process: start, stop, kill, restart on the same folder, inject faults."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.support.clickhouse_http.faults import Fault, Kind
from tests.support.kafka.process import BrokerProcess, free_port, wait_for_port, with_path

USERS: Final = {"spendmeter": "p@ss/word:1", "reader": "reads only"}
"""Passwords that a DSN must quote. Users whose name ends with `reader` cannot write."""
TIMEZONE: Final = "Asia/Kolkata"
"""Time zone of the server, with an offset of half an hour: a query that relies on it gets different hours and days."""
_REPOSITORY: Final = Path(__file__).parents[3]
_STOP_TIMEOUT_S: Final = 30.0
_CONTROL_TIMEOUT_S: Final = 30.0


class ClickHouseHttp(BrokerProcess):
    """ClickHouse over HTTP on 127.0.0.1. Its data survives `kill`; its faults do not."""

    name = "clickhouse-http"

    def __init__(self, *, folder: Path, users: Mapping[str, str] = USERS) -> None:
        self.port = free_port()
        self.faults = FaultSwitches(f"http://127.0.0.1:{self.port}/_faults")
        module = "tests.support.clickhouse_http.server"
        super().__init__(
            command=[sys.executable, "-m", module, "--folder", str(folder), "--port", str(self.port)],
            log=folder / "clickhouse-http.log",
            env={
                "PYTHONPATH": with_path(_REPOSITORY),
                "CLICKHOUSE_HTTP_USERS": json.dumps(dict(users)),
                "TZ": TIMEZONE,
            },
        )

    @property
    def dsn(self) -> str:
        """DSN of the writing user, for database `spendmeter`."""
        return self.dsn_of("spendmeter")

    def dsn_of(self, database: str, *, user: str = "spendmeter") -> str:
        """Return the DSN of `user` for `database`, which may not exist yet."""
        return f"http://{user}:{quote(USERS[user], safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it responds (two to three seconds)."""
        super().start()
        wait_for_port(self, self.port)

    def stop(self) -> None:
        """Send SIGTERM: running statements are finished. Does nothing if the server is not running."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._child = None

    def die_at_rename(self, number: int = 1) -> None:
        """Kill the server at the rename of the `number`-th part from now on: the token is stored, and the
        part is not in its place."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/_die_at_rename?number={number}", method="POST")
        urllib.request.urlopen(request, timeout=_CONTROL_TIMEOUT_S).close()

    def wait_until_dead(self) -> None:
        """Wait until the kernel has killed the server."""
        assert self._child is not None
        self._child.wait(_STOP_TIMEOUT_S)
        self._child = None

    def running(self) -> bool:
        """Return whether the child process is running."""
        return self._child is not None and self._child.poll() is None


class FaultSwitches:
    """Switches faults of the running server; see `faults.Fault` for the fields."""

    def __init__(self, url: str) -> None:
        self._url = url

    def add(self, kind: Kind, **fields: Any) -> None:
        """Add a fault, for one matching statement unless `count` is given."""
        self._call("POST", [asdict(Fault(kind=kind, **fields))])

    def clear(self) -> None:
        """Remove all faults and end their waits."""
        self._call("DELETE")

    def fired(self) -> list[str]:
        """Return the kinds that were applied since the last `clear`, in order."""
        return [fault["kind"] for fault in self._call("GET")]

    def _call(self, method: str, payload: Any = None) -> Any:
        body = None if payload is None else json.dumps(payload).encode()
        request = urllib.request.Request(self._url, data=body, method=method)
        with urllib.request.urlopen(request, timeout=_CONTROL_TIMEOUT_S) as answer:
            return json.load(answer)
