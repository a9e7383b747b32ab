"""What each projection saves: every endpoint with all projections, and with all but one.

`python -m benchmarks.projections EVENTS` fills a store, or reuses the one in SPENDMETER_BENCH_STORES as
`benchmarks.query` does, and prints a table: for each projection, the endpoints whose rows read change without it.
CPU is that of the whole process, so that a shared machine does not matter much.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from benchmarks.query import RAGGED, client_of, timed
from benchmarks.query_events import NOW, fill, still
from spendmeter_clickhouse import Session, Store, StoreSettings
from spendmeter_rollups.query.reader import Reader, Row
from spendmeter_rollups.query.statement import Query
from spendmeter_stream.verify.totals import day_totals

_RAGGED: Final = RAGGED[0].partition("?")[2]
_CALLS: Final = (
    *(f"usage/{path}" for path in ("summary", "timeseries", "timeseries?group_by=model", "models", "cache", "errors")),
    *(f"usage/breakdown/{name}" for name in ("org", "feature", "agent", "model", "key_source")),
    "usage/timeseries?tz=Asia/Kolkata",
    "usage/heatmap",
    "usage/projection",
    *(f"usage/breakdown/{name}?{_RAGGED}" for name in ("org", "model", "feature", "key_source")),
    "usage/timeseries?preset=7d&group_by=org",
    "usage/timeseries?preset=7d&group_by=feature",
    "usage/breakdown/model?role=teacher",
    "usage/breakdown/feature?model=model-1",
    "budgets",
)
_USERS: Final = (
    "usage/summary",
    *(f"usage/breakdown/{name}" for name in ("user", "class", "role", "org", "feature")),
    "usage/timeseries?group_by=user",
    "usage/timeseries?group_by=class",
    *(f"usage/breakdown/{name}?{_RAGGED}" for name in ("user", "class", "feature")),
    "usage/breakdown/class?org=org-3",
    "filters/user?q=user-7",
)
PATHS: Final = {"usage_events": (), "latency_daily": ("usage/summary",), "user_daily": _USERS}
"""Table → the endpoints that read its projections; all others: those of calls."""
DRIFT: Final = "drift check"
_TIMES: Final = 5
_FIRST: Final = 1
_NOTICEABLE: Final = 1.1


async def measured(call: Callable[[], Awaitable[object]], read: Counter[str]) -> dict[str, float]:
    """CPU (the median, in ms), rows and bytes read of one answer."""
    for _ in range(_FIRST):
        await call()
    read.clear()
    spent = []
    for _ in range(_TIMES):
        began = time.process_time()
        await call()
        spent.append(1000 * (time.process_time() - began))
    return {"cpu": sorted(spent)[_TIMES // 2], **{name: value / _TIMES for name, value in read.items()}}


async def measure(folder: str, without: str) -> dict[str, Any]:
    """Every endpoint of the store in `folder`, after projection `without` (`table.name`) was dropped."""
    read: Counter[str] = Counter()

    async def rows(self: Reader, query: Query) -> list[Row]:
        answer = await self.session.query(query.sql, dict(query.parameters), settings=self._limits)
        read.update({name: int(answer.summary[f"read_{name}"]) for name in ("rows", "bytes")})
        return [dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows]

    with Store(StoreSettings(store_dsn=f"chdb://{folder}")) as store:
        session = store.session("projections")
        await still(session)
        table, _, name = without.partition(".")
        if without:
            await session.command(f"SYSTEM START MERGES {table}")
            await session.command(f"ALTER TABLE {table} DROP PROJECTION {name} SETTINGS mutations_sync = 2")
            await still(session)
        async with client_of(store) as client:
            found = {}
            with patch.object(Reader, "rows", rows):
                for path in dict.fromkeys((*_CALLS, *_USERS)) if not table else PATHS.get(table, _CALLS):
                    found[path] = await measured(lambda path=path: timed(client, path), read)  # type: ignore[misc]
            found[DRIFT] = await measured(lambda: _drift(session), Counter())
    return found


async def _drift(session: Session) -> None:
    await day_totals(session, [NOW.date() - timedelta(days=back) for back in range(7, 0, -1)])


async def _projections(folder: str) -> list[str]:
    with Store(StoreSettings(store_dsn=f"chdb://{folder}")) as store:
        session = store.session("list")
        await still(session)
        answer = await session.query(
            "SELECT table, name, sum(rows), sum(bytes_on_disk) FROM system.projection_parts WHERE active"
            " GROUP BY table, name ORDER BY table, name"
        )
        return [f"{table}.{name} {rows} {size}" for table, name, rows, size in answer.result_rows]


def _child(*arguments: str) -> Any:
    command = [sys.executable, "-m", "benchmarks.projections", *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def main(events: int) -> None:
    """Print a row for each projection and each endpoint that it serves."""
    kept = os.environ.get("SPENDMETER_BENCH_STORES")
    with tempfile.TemporaryDirectory(dir=kept) as passing:
        filled = Path(kept or passing) / str(events)
        if not (filled / "filled").exists():
            filled.mkdir(exist_ok=True)
            _child("fill", str(filled / "store"), str(events))
            (filled / "filled").touch()
        base = _child("measure", str(filled / "store"), "")
        print("| projection | rows, KiB | endpoint | rows read | without | CPU ms | without |")
        print("|---|---:|---|--:|--:|--:|--:|")
        for line in _child("list", str(filled / "store")):
            name, rows, size = line.split()
            copy = Path(passing) / "copy"
            shutil.copytree(filled / "store", copy, symlinks=True)
            without = _child("measure", str(copy), name)
            shutil.rmtree(copy)
            for path, then in without.items():
                now = base[path]
                changed = then.get("rows", 0) != now.get("rows", 0) or path == DRIFT
                if changed and max(then["cpu"] / now["cpu"], now["cpu"] / then["cpu"]) > _NOTICEABLE:
                    print(
                        f"| `{name}` | {rows}, {int(size) // 1024} | {path} | {now.get('rows', 0):,.0f} |"
                        f" {then.get('rows', 0):,.0f} | {now['cpu']:.0f} | {then['cpu']:.0f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        with Store(StoreSettings(store_dsn=f"chdb://{sys.argv[2]}")) as filling:
            print(json.dumps(asyncio.run(fill(filling, int(sys.argv[3])))))
    elif sys.argv[1] == "measure":
        print(json.dumps(asyncio.run(measure(sys.argv[2], sys.argv[3]))))
    elif sys.argv[1] == "list":
        print(json.dumps(asyncio.run(_projections(sys.argv[2]))))
    else:
        main(int(sys.argv[1]))
