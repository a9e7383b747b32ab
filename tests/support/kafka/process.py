"""A broker as a child process on a loopback port: start, freeze, kill, restart."""

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
# PR_SET_PDEATHSIG refers to the thread that started the child: therefore start it in a thread that lives as
# long as this process.
_spawner = ThreadPoolExecutor(1, thread_name_prefix="broker-spawner")


def free_port() -> int:
    """Return a free loopback TCP port (it may be taken later)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def with_path(folder: Path) -> str:
    """Return PYTHONPATH for a child that imports from `folder` and from the paths of this process."""
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


class BrokerProcess:
    """Runs `command` with its output in `log`. `start` after `kill` uses the same port and folders."""

    def __init__(self, *, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self._command = [*_dies_with_us(), *command]
        self._env = {**os.environ, **(env or {})}
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """PID of the running child."""
        assert self._child is not None, "not started"
        return self._child.pid

    def start(self) -> None:
        """Start the child without waiting until it responds."""
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
        """Raise `RuntimeError` with the end of the log if the child has exited."""
        if self._child is not None and self._child.poll() is not None:
            tail = self._log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the broker ended with code {self._child.returncode}:\n{tail}")

    def freeze(self) -> None:
        """Send SIGSTOP: connections stay open without responses."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Send SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Send SIGKILL and wait for the exit. Does nothing if the child is not running."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(_KILL_TIMEOUT_S)
            self._child = None


def wait_for_port(process: BrokerProcess, port: int, *, attempts: int = 3000) -> None:
    """Wait for a listener on the loopback port; `attempts` are 50 ms apart."""
    for _ in range(attempts):
        process.fail_if_dead()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def _dies_with_us() -> list[str]:
    # A killed test session runs no fixture teardown; the kernel then kills the broker.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
