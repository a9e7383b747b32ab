"""A broker as a child process on a loopback port: start, freeze, kill, start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_KILL_TIMEOUT_S = 10.0
# The kernel's "die with your parent" means the thread that started the child: so that is one that lives as
# long as this process, whoever calls `start`.
_spawner = ThreadPoolExecutor(1, thread_name_prefix="broker-spawner")


def free_port() -> int:
    """A loopback TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def with_path(folder: Path) -> str:
    """PYTHONPATH of a child that imports from `folder`, and all else from where this process does."""
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


class BrokerProcess:
    """Runs `command`, output into `log`. `start` may follow `kill`, with the same port and folders."""

    def __init__(self, *, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self._command = [*_dies_with_us(), *command]
        self._env = {**os.environ, **(env or {})}
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running child."""
        assert self._child is not None, "not started"
        return self._child.pid

    def start(self) -> None:
        """Starts the child; whether it answers yet is for the caller to find out."""
        with self._log.open("ab") as output:
            self._child = _spawner.submit(
                subprocess.Popen[bytes],
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._env,
            ).result()

    def fail_if_dead(self) -> None:
        """Raises `RuntimeError` with the end of the log when the child has ended by itself."""
        if self._child is not None and self._child.poll() is not None:
            tail = self._log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the broker ended with code {self._child.returncode}:\n{tail}")

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and waits for the end. Nothing happens when it is not running."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(_KILL_TIMEOUT_S)
            self._child = None


def wait_for_port(process: BrokerProcess, port: int, *, attempts: int = 3000) -> None:
    """Returns when something listens on the loopback port; `attempts` are 50 ms apart."""
    for _ in range(attempts):
        process.fail_if_dead()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def _dies_with_us() -> list[str]:
    # A test session that is itself killed runs no fixture's end; the kernel then kills the broker.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
