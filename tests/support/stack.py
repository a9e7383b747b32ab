"""The `spendmeter` command as a user runs it: child processes, folders of their own, free ports."""

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
    """Run one command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=_PATIENCE * 2,
        check=False,
    )


class Command:
    """A command that runs on, with its output in a file; killed at the end of the block if it still runs."""

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
        """Everything that it printed and logged."""
        self._output.seek(0)
        return self._output.read()

    def wait_for(self, words: str) -> None:
        """Wait until it prints `words`."""
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
        # A file, for a pipe that nobody reads would stop a stack that logs each request.
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
        # A stack that was killed leaves its note to the next.
        return bool(self.note["pid"] == self.process.pid)

    def get(self, path: str, *, key: str = KEY) -> Any:
        """The JSON answer to a GET."""
        request = urllib.request.Request(self.note["url"] + path, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def metric(self, name: str) -> float:
        """A metric's value, 0 where it is not there yet; `name` with its labels as Prometheus writes them."""
        request = urllib.request.Request(self.note["url"] + "/metrics", headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.rpartition(" ")[2])
        return 0.0

    def totals(self) -> dict[str, Any]:
        """The totals of all time."""
        totals: dict[str, Any] = self.get("/v1/usage/summary?preset=all")["totals"]
        return totals

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Tell it to stop; returns what it printed."""
        self.process.send_signal(number)
        self.process.wait(timeout=_PATIENCE)
        return self._said()

    def _said(self) -> str:
        self._output.seek(0)
        return self._output.read()


@contextmanager
def running(folder: Path) -> Iterator[RunningStack]:
    """A stack that is stopped at the end, whatever happens."""
    stack = RunningStack(folder)
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.stop()


def wait_until(condition: Callable[[], bool], *, patience: float = _PATIENCE) -> None:
    """Poll until true. The bound only keeps a broken test from hanging."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in listed.stdout.split()]
