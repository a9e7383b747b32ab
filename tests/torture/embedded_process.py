"""`spendmeter up` as users run it, which kills itself at a given point: `python -m … FOLDER`.

FOLDER/orders has the format of `worker_process`; FOLDER/data is the stack's data folder. With `--books`, no stack is
started: the number of suspect blocks and the sums of the store in FOLDER/data are written to standard output.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

from spendmeter_clickhouse import Store, StoreSettings
from spendmeter_deploy.cli.app import app
from spendmeter_deploy.embedded import stack as embedded
from spendmeter_stream.journal.suspects import open_suspects
from spendmeter_stream.worker import create_worker
from tests.support.protocols import ingest_without
from tests.torture.oracle import as_json, read_books
from tests.torture.worker_process import ORDERS, Orders


def up(folder: Path) -> None:
    """Run the stack, whose worker checks for orders at every step of the protocol."""
    observed = ingest_without(reached=Orders(folder / ORDERS).reached)
    embedded.create_worker = partial(create_worker, ingest_type=observed)  # type: ignore[attr-defined]
    sys.argv = ["spendmeter", "up", "--data-dir", str(folder / "data"), "--port", "0"]
    app()


async def show_books(folder: Path) -> None:
    """Print two lines: the number of suspect blocks, and the sums."""
    dsn = f"chdb://{folder / 'data' / 'store'}"
    with Store(StoreSettings(store_dsn=dsn)) as store, store.session("oracle") as session:
        print(len(await open_suspects(session)))
        print(as_json(await read_books(session)))


if __name__ == "__main__":
    home = Path(sys.argv[1])
    if "--books" in sys.argv:
        asyncio.run(show_books(home))
    else:
        up(home)
