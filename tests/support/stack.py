"""The `spendmeter` command as a user runs it: child processes, temporary folders, free ports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

KEY = "a-key-for-tests-only-0123456789abcdef"
COMMAND = [sys.executable, "-m", "spendmeter_deploy.cli.app"]
_PATIENCE = 400.0


def spendmeter(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command to completion."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=_PATIENCE * 2,
        check=False,
    )


class Command:
    """A background command with its output in a file; killed at the end of the block if it still runs."""

    def __init__(self, *arguments: str | Path, **environment: str) -> None:
        self._output = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - it lives as long as the command
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env={**os.environ, "COLUMNS": "200", **environment},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def output(self) -> str:
        """Return its output and log."""
        self._output.seek(0)
        return self._output.read()

    def wait_for(self, words: str) -> None:
        """Wait until `words` are in its output."""
        wait_until(lambda: words in self.output() or self.process.poll() is not None)
        assert words in self.output(), self.output()

    def stop(self, *numbers: int) -> int:
        """Send signals; return the exit code."""
        for number in numbers:
            self.process.send_signal(number)
        return self.process.wait(timeout=_PATIENCE)


class RunningStack:
    """A `spendmeter up` on `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A file, because an unread pipe would block a stack that logs each request.
        self._output = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - it lives as long as the stack
        self.process = subprocess.Popen(
            [*COMMAND, "up", "--data-dir", str(folder), "--port", "0"],
            env={**os.environ, "SPENDMETER_ADMIN_KEY": KEY},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        self.note: dict[str, Any] = {}
        wait_until(lambda: self._announced() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError(f"`up` ended: {self._said()}")

    def _announced(self) -> bool:
        try:
            self.note = json.loads((self.folder / "running.json").read_text())
        except (OSError, ValueError):
            return False
        # A killed stack leaves its file for the next one.
        return bool(self.note["pid"] == self.process.pid)

    def get(self, path: str, *, key: str = KEY) -> Any:
        """Return the JSON response to a GET."""
        request = urllib.request.Request(self.note["url"] + path, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def send(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Return status and JSON response of a request with a JSON body."""
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.note["url"] + path, data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def metric(self, name: str) -> float:
        """Return a metric's value, or 0 if it is absent; `name` with labels in Prometheus notation."""
        request = urllib.request.Request(self.note["url"] + "/metrics", headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.rpartition(" ")[2])
        return 0.0

    def totals(self) -> dict[str, Any]:
        """Return the totals of all events."""
        totals: dict[str, Any] = self.get("/v1/usage/summary?preset=all")["totals"]
        return totals

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Stop it and return its output."""
        self.process.send_signal(number)
        self.process.wait(timeout=_PATIENCE)
        return self._said()

    def _said(self) -> str:
        self._output.seek(0)
        return self._output.read()


@contextmanager
def running(folder: Path) -> Iterator[RunningStack]:
    """Run a stack, and stop it at the end in any case."""
    stack = RunningStack(folder)
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.stop()


def wait_until(condition: Callable[[], bool], *, patience: float = _PATIENCE) -> None:
    """Poll until the condition is true. The limit only ends a broken test."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in listed.stdout.split()]
