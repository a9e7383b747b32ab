"""A command in a separate process, which may kill itself at a point: `python -m … JOB`, a `CommandJob` as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from spendmeter_clickhouse import Session, Store, StoreSettings
from spendmeter_stream.errors import StreamError
from spendmeter_stream.kafka.group_position import open_stream
from spendmeter_stream.maintenance.rebuild import rebuild
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.reprice import CallSelection, append_adjustments, lease
from spendmeter_stream.settings import StreamSettings
from tests.support.pricing import write_book
from tests.support.repricing import HEAD, rate

REPOSITORY: Final = Path(__file__).parents[2]
_SOME: Final = CallSelection(
    start=datetime(2025, 10, 31, 23, tzinfo=UTC), end=datetime(2025, 11, 1, 1, tzinfo=UTC), orgs=("school-a",)
)
"""The hours before and after a month's end."""
_LEASE_S: Final = 5
_BARRIER_S: Final = 20
_PIECE_EVENTS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandJob:
    """Arguments of a command."""

    dsn: str
    bootstrap: str
    what: str
    """`reprice` or `rebuild`."""
    raised: bool = False
    """Reprice to twice the ledger's prices instead of the ledger's."""
    dies_at: str = ""
    """Point of a repricing at which the process kills itself."""
    month: str = ""
    """First day of a rebuild."""


async def work(job: CommandJob) -> None:
    """Run the command."""
    with Store(StoreSettings(store_dsn=job.dsn)) as store, store.session("command") as session:
        if job.what == "reprice":
            await _reprice(session, job)
        else:
            async with open_stream(StreamSettings(bootstrap=job.bootstrap)) as stream:
                await rebuild(session, date.fromisoformat(job.month), stream=stream, barrier_seconds=_BARRIER_S)


async def _reprice(session: Session, job: CommandJob) -> None:
    def reached(point: str) -> None:
        if point == job.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with tempfile.TemporaryDirectory() as folder:
        # gpt-4o, USD a million tokens: `ledger` has the price of 2025.
        rates = ("5.00", "20.00") if job.raised else ("2.50", "10.00")
        book: PriceBook = write_book(Path(folder), openai=HEAD.format("openai") + rate('"gpt-4o"', *rates))
    async with lease(session, _SOME, book.version, seconds=_LEASE_S) as leased:
        await append_adjustments(leased, book, size=_PIECE_EVENTS, reached=reached)


if __name__ == "__main__":
    try:
        asyncio.run(work(CommandJob(**json.loads(sys.argv[1]))))
    except StreamError as error:
        sys.exit(str(error))
