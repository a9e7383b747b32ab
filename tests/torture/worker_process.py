"""One worker in a separate process, which kills or freezes itself at a given point.

`python -m tests.torture.worker_process FOLDER JOB`: FOLDER is its folder, JOB a `Job` as JSON. An order is a line
`POINT HITS SIGNAL` in FOLDER/orders, such as `before:insert 2 KILL`. It may exist from the start, or be written later;
the worker removes it immediately before the signal.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from spendmeter_clickhouse import Store, StoreSettings
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.worker import create_worker
from tests.support.clickhouse_http.die_at_rename import die_at_rename
from tests.support.protocols import ingest_without

ORDERS: Final = "orders"
RENAME: Final = "RENAME"
"""Instead of a signal, with a number: the kernel kills the process at its n-th rename, which commits a part."""


@dataclass(frozen=True, slots=True)
class Job:
    """Arguments of a worker."""

    dsn: str
    stream: dict[str, Any]
    """Fields of `StreamSettings`."""
    without: list[str] = field(default_factory=list)
    """Guarantees to omit."""


class Orders:
    """Execute the order in a file: die or freeze at the n-th arrival at a point, counted from the first read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._order = ""
        self._left = 0

    def reached(self, point: str) -> None:
        """Note the arrival at `point`. Called on the event loop, so the worker does nothing else meanwhile."""
        try:
            order = self._path.read_text()
        except FileNotFoundError:
            return
        where, hits, name = order.split()
        if order != self._order:
            self._order, self._left = order, int(hits)
        if where != point:
            return
        self._left -= 1
        if self._left == 0:
            self._path.unlink()
            self._order = ""
            if name.startswith(RENAME):
                die_at_rename(int(name.removeprefix(RENAME)))
            else:
                os.kill(os.getpid(), signal.Signals[f"SIG{name}"])


async def work(folder: Path, job: Job) -> None:
    """Run the worker until SIGTERM, then complete its chunks."""
    stop_requested = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop_requested.set)
    with Store(StoreSettings(store_dsn=job.dsn)) as store:
        worker = create_worker(
            settings=StreamSettings(**job.stream),
            store=store,
            ingest_type=ingest_without(*job.without, reached=Orders(folder / ORDERS).reached),
            web=False,
        )
        # As `spendmeter worker` does.
        try:
            await worker.app.start()
            await stop_requested.wait()
        finally:
            await worker.app.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    home = Path(sys.argv[1])
    # Faust creates a folder in the working folder.
    os.chdir(home)
    asyncio.run(work(home, Job(**json.loads(sys.argv[2]))))
