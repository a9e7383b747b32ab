"""`make gate`: run the SQL gate over demo data, print its table, exit 1 on a failure."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from spendmeter_clickhouse import migrate
from tests.gate.run import run
from tests.support.board_store import fill
from tests.support.store import open_store


def main() -> int:
    """Run the gate and return the exit code."""
    with (
        tempfile.TemporaryDirectory(prefix="gate-") as folder,
        open_store(Path(folder), "keeper") as keeper,
        open_store(Path(folder), "boards") as store,
    ):
        asyncio.run(migrate(keeper))
        asyncio.run(migrate(store))
        fill(store)
        report = run(store)
    print("\n".join([*report.failures, report.table()]))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
