"""The data folder: one stack at a time, and a note of where it can be reached."""

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
class Whereabouts:
    """How to reach a running stack."""

    pid: int
    bootstrap: str
    url: str


class DataFolder:
    """Locked by the stack that runs on it; the lock ends with the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    @property
    def store(self) -> Path:
        """The embedded ClickHouse engine's folder."""
        return self.path / "store"

    @property
    def store_dsn(self) -> str:
        """The DSN of `store`, whatever characters its path has."""
        return f"chdb://{quote(str(self.store))}"

    @property
    def broker_log(self) -> Path:
        """What the broker process prints."""
        return self.path / "broker.log"

    def acquire(self) -> None:
        """Make the folder if need be and lock it.

        :raises StartError: another stack runs on it, or it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise StartError(f"the data folder {self.path} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise StartError(
                f"the data folder {self.path} is in use by another Spendmeter: stop it, or choose another --data-dir"
            ) from error
        # A stack that was killed could not take its note away.
        self._note.unlink(missing_ok=True)

    def announce(self, bootstrap: str, url: str) -> None:
        """Note where the stack can be reached, for commands given the same folder."""
        note = Whereabouts(pid=os.getpid(), bootstrap=bootstrap, url=url)
        self._note.write_text(json.dumps(asdict(note)))

    def release(self) -> None:
        """Unlock the folder and take the note away."""
        self._note.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()

    def whereabouts(self) -> Whereabouts:
        """Where the stack that runs on this folder can be reached.

        :raises StartError: none runs.
        """
        try:
            note = Whereabouts(**json.loads(self._note.read_text()))
            os.kill(note.pid, 0)
        except (OSError, ValueError, TypeError) as error:
            raise StartError(
                f"no Spendmeter runs on {self.path}: start one with `spendmeter up --data-dir {self.path}`,"
                " or name a broker with --bootstrap HOST:PORT"
            ) from error
        return note

    @property
    def _note(self) -> Path:
        return self.path / "running.json"
