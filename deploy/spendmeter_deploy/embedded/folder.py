"""The data folder of an embedded stack: its lock, its files, and the addresses of the running stack."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from spendmeter_deploy.errors import StartError


@dataclass(frozen=True, slots=True)
class StackAddress:
    """Process id and addresses of a running stack."""

    pid: int
    bootstrap: str
    url: str


class DataFolder:
    """A folder locked by the stack that runs on it. The kernel releases the lock when the process ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None
        self._created = False

    @property
    def store(self) -> Path:
        """Folder of the embedded ClickHouse engine."""
        return self.path / "store"

    @property
    def store_dsn(self) -> str:
        """DSN of `store`, percent-encoded."""
        return f"chdb://{quote(str(self.store))}"

    @property
    def price_rows(self) -> Path:
        """Saved rows of the price topic."""
        return self.path / "price-rows.json"

    @property
    def broker_log(self) -> Path:
        """Log file of the broker process."""
        return self.path / "broker.log"

    def acquire(self) -> None:
        """Create the folder if it does not exist, and lock it.

        :raises StartError: another stack runs on it, or it is not writable.
        """
        try:
            self._created = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise StartError(
                f"cannot use the data folder {self.path}: {error.strerror}. Choose another --data-dir"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise StartError(
                f"the data folder {self.path} is in use by another Spendmeter: stop it, or choose another --data-dir"
            ) from error
        # A killed stack leaves its note behind.
        self._note.unlink(missing_ok=True)

    def announce(self, bootstrap: str, url: str) -> None:
        """Write the addresses of the stack, for commands that are given the same folder."""
        note = StackAddress(pid=os.getpid(), bootstrap=bootstrap, url=url)
        self._note.write_text(json.dumps(asdict(note)))

    def release(self) -> None:
        """Remove the note and unlock the folder. Remove a new folder if nothing was started on it."""
        self._note.unlink(missing_ok=True)
        if self._created and [entry.name for entry in self.path.iterdir()] == ["lock"]:
            (self.path / "lock").unlink()
            self.path.rmdir()
        if self._lock is not None:
            self._lock.close()

    def running_stack(self) -> StackAddress:
        """Return the addresses of the stack that runs on this folder.

        :raises StartError: no stack runs on it.
        """
        try:
            note = StackAddress(**json.loads(self._note.read_text()))
            os.kill(note.pid, 0)
        except (OSError, ValueError, TypeError) as error:
            raise StartError(
                f"no Spendmeter runs on {self.path}: start one with `spendmeter up --data-dir {self.path}`,"
                " or choose a broker with --bootstrap HOST:PORT"
            ) from error
        return note

    @property
    def _note(self) -> Path:
        return self.path / "running.json"
