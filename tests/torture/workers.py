"""A worker as a child process with a separate clock, and its orders."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.support.kafka.process import BrokerProcess, with_path
from tests.torture.worker_process import ORDERS, Job

_STOP_S: Final = 90.0
_REPOSITORY: Final = Path(__file__).parents[2]


class Worker(BrokerProcess):
    """A worker process and its orders. It may die and be restarted any number of times."""

    name = "worker"

    def __init__(self, *, folder: Path, job: Job) -> None:
        folder.mkdir(parents=True)
        self._orders = folder / ORDERS
        self.log = folder / "worker.log"
        self._clock = folder / "clock"
        self.set_clock(0)
        module = "tests.torture.worker_process"
        super().__init__(
            command=[sys.executable, "-m", module, str(folder), json.dumps(asdict(job))],
            log=self.log,
            env={"PYTHONPATH": with_path(_REPOSITORY), "TZ": "UTC", **_clock_of_its_own(self._clock)},
        )

    def running(self) -> bool:
        """Whether the process exists, even if frozen."""
        return self._child is not None and self._child.poll() is None

    def ended(self) -> int | None:
        """The exit code of a process that exited; None while it runs, or before its start."""
        return None if self._child is None else self._child.poll()

    def set_clock(self, offset_s: int) -> None:
        """Set its wall clock ahead of the machine's by `offset_s`, within a second."""
        draft = self._clock.with_suffix(".draft")
        draft.write_text(f"{offset_s:+d}\n")
        draft.rename(self._clock)

    def order(self, point: str, *, hits: int, action: str) -> None:
        """Make it send itself SIG`action` at the `hits`-th arrival at `point`."""
        draft = self._orders.with_suffix(".draft")
        draft.write_text(f"{point} {hits} {action}")
        draft.rename(self._orders)

    def obeyed(self) -> bool:
        """Whether the last order was executed."""
        return not self._orders.exists()

    def withdraw(self) -> bool:
        """Withdraw the order. Return False if it was already executed."""
        try:
            self._orders.unlink()
        except FileNotFoundError:
            return False
        return True

    def start_again(self) -> None:
        """Start the process if it does not run."""
        if not self.running():
            self.kill()
            self.start()

    def stop(self) -> None:
        """Send SIGTERM, which completes chunks in flight. Kill the process if it does not stop."""
        if self._child is None:
            return
        self._child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_STOP_S)
        self.kill()


def faketime_library() -> Path | None:
    """Return libfaketime for threaded programs (Debian package `libfaketime`); None if it is not installed."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def _clock_of_its_own(file: Path) -> dict[str, str]:
    """Return the environment of a process whose wall clock follows `file`. Its monotonic clock is unchanged."""
    library = faketime_library()
    if library is None:
        return {}
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
