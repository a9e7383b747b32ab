"""Run processes of the deploy files: confined as in their containers, with their environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.kafka.process import free_port
from tests.support.shipped.confinement import confinement
from tests.support.shipped.files import Shipped
from tests.support.stack import wait_until

_PATIENCE_S: Final = 600.0
_ANSWER_S: Final = 60.0
SPENDMETER: Final = (str(Path(sys.executable).parent / "spendmeter"),)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


class Running:
    """One process. Its log is a file, because an unread pipe would block it."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path, port: int) -> None:
        self.port = port
        self._log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/"
            )

    def get(self, path: str, *, key: str = "", body: bytes | None = None) -> Answer:
        """Return the response to a GET, or a POST of `body`, with any status. Raises `OSError` without a listener."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers, data=body)
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
                return Answer(answer.status, answer.headers["Content-Type"], answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers["Content-Type"], error.read())

    def answers(self, path: str, status: int = 200) -> bool:
        """Return whether a GET currently returns `status`. Fail the test if the process has exited."""
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.log()}"
        try:
            return self.get(path).status == status
        except OSError:
            return False

    def until(self, path: str, status: int = 200) -> None:
        """Wait until a GET returns `status`."""
        wait_until(lambda: self.answers(path, status), patience=_PATIENCE_S)

    def log(self) -> str:
        """Return the log, including that of earlier processes with the same file."""
        return self._log.read_text()

    def logged(self, words: str) -> bool:
        """Return whether `words` are in the log; fail the test if the process has exited without them."""
        ended = self.process.poll() is not None
        found = words in self.log()
        assert found or not ended, f"ended with {self.process.returncode}: {self.log()}"
        return found

    def until_logged(self, words: str) -> None:
        """Wait until `words` are in the log."""
        wait_until(lambda: self.logged(words), patience=_PATIENCE_S)

    def ended(self) -> int:
        """Wait until the process exits by itself, and return its exit code."""
        return self.process.wait(timeout=_PATIENCE_S)

    def stop(self, *, within: float) -> int:
        """Send SIGTERM and return the exit code. `within` is the orchestrator's time limit before SIGKILL."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=within)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()
        self.process.wait(timeout=_ANSWER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Processes of one set of deploy files, with the addresses of a test's Kafka and store."""

    processes: Mapping[str, Shipped]
    addresses: Mapping[str, str]
    """Values of the files → their replacements in the test."""
    changes: Mapping[str, str]
    """Overrides for processes that connect to Kafka."""
    logs: Path
    executable: tuple[str, ...] = SPENDMETER

    @contextmanager
    def running(self, verb: str, **changes: str) -> Iterator[Running]:
        """Run the process of `verb`; kill it at the end if it still runs."""
        port = free_port()
        own = {"SPENDMETER_WORKER_PORT": str(port)} if verb == "worker" else {}
        options = ["--port", str(port)] if verb in ("serve", "collect") else []
        command = [*self.command(verb), *options]
        process = Running(command, self.environment(verb, **own, **changes), self.logs / f"{verb}.log", port)
        try:
            yield process
        finally:
            if process.process.poll() is None:
                process.kill()

    def run(self, verb: str, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run `verb` to completion; commands that are not in the files run in the worker's environment."""
        known = verb if verb in self.processes else "worker"
        command = self.command(verb) if verb in self.processes else [*confinement(), *self.executable, verb, *arguments]
        return subprocess.run(
            command,
            env=self.environment(known, **changes),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
            cwd="/",
        )

    def command(self, verb: str) -> list[str]:
        """Return the confined command line of `verb`."""
        return [*confinement(), *self.executable, *self.processes[verb].command]

    def environment(self, verb: str, **changes: str) -> dict[str, str]:
        """Return the environment of `verb`; of the test's environment only PATH."""
        found = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        for name, value in self.processes[verb].environment.items():
            for theirs, ours in self.addresses.items():
                value = value.replace(theirs, ours)
            found[name] = value
        kafka = self.changes if "SPENDMETER_BOOTSTRAP" in found else {}
        return {**found, **kafka, **changes}
