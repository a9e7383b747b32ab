"""What each projection saves: every rollup query of the endpoints below, read from each projection that can answer it.

`python -m benchmarks.projections EVENTS` fills a store, or reuses the one in SPENDMETER_BENCH_STORES as
`benchmarks.query` does, and prints a table: for each projection and each query that it answers best, the CPU time of
the process, and that from the next best projection or the table. An answer has several queries.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from benchmarks.query import RAGGED, client_of, timed
from benchmarks.query_events import fill, still
from spendmeter_clickhouse import Session, Store, StoreError, StoreSettings
from spendmeter_clickhouse.ddl.projections import PROJECTIONS
from spendmeter_rollups.query.planner import Piece
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.statement import Query
from spendmeter_rollups.query.sums import Sums, sums

_RAGGED: Final = RAGGED[0].partition("?")[2]
_DIMENSIONS: Final = (
    "org", "user", "role", "class", "feature", "agent", "model", "provider", "key_source", "error_type",
)  # fmt: skip
PATHS: Final = (
    *(f"usage/{path}" for path in ("summary", "timeseries", "models", "cache", "errors", "heatmap", "projection")),
    *(f"usage/breakdown/{name}" for name in _DIMENSIONS),
    *(f"usage/breakdown/{name}?{_RAGGED}" for name in _DIMENSIONS),
    *(f"usage/breakdown/{name}?org=org-3" for name in ("class", "feature", "model", "user")),
    *(f"usage/timeseries?group_by={name}" for name in ("model", "user", "class", "org", "feature")),
    *(f"usage/timeseries?preset=7d&group_by={name}" for name in ("org", "feature", "model")),
    *(f"usage/{path}tz=Asia/Kolkata" for path in ("timeseries?", "timeseries?group_by=org&", "heatmap?")),
    "usage/breakdown/model?role=teacher",
    "usage/breakdown/feature?model=model-1",
    "usage/breakdown/model?feature=feature-1",
    "filters/user?q=user-7",
    "budgets",
)
_TIMES: Final = 3
_SETTINGS: Final = re.compile(r"\n *SETTINGS .*")
"""The projection that a query names."""


async def rollup_queries(store: Store) -> dict[tuple[str, str], Query]:
    """(path, table) → a query of one piece. Several of one path and table are numbered."""
    found: dict[tuple[str, str], Query] = {}
    path = ""

    def planned(scope: Scope, spec: Sums, **more: Any) -> tuple[Piece, ...]:
        pieces = plan(scope, spec, **more)
        for piece in pieces:
            if piece.rollup:
                query, number = sums(spec, (piece,)), 1
                while (key := (path if number == 1 else f"{path} ({number})", piece.rollup.table)) in found:
                    number += 1
                found[key] = query
        return pieces

    plan = Scope.pieces
    async with client_of(store) as client:
        with patch.object(Scope, "pieces", planned):
            for path in PATHS:
                await timed(client, path)
    return found


async def cpu(session: Session, query: Query, **settings: object) -> float | None:
    """Return the median of the CPU time in ms; None if the settings name a projection that cannot answer `query`."""
    spent, sql = [], _SETTINGS.sub("", query.sql)
    for _ in range(_TIMES):
        began = time.process_time()
        try:
            await session.query(sql, dict(query.parameters), settings=settings)
        except StoreError:
            return None
        spent.append(1000 * (time.process_time() - began))
    return sorted(spent)[_TIMES // 2]


async def measured(store: Store) -> list[str]:
    """Return the rows of the table."""
    lines = []
    with store.session("projections") as session:
        await still(session)
        for (path, table), query in (await rollup_queries(store)).items():
            found = {"(table)": await cpu(session, query, optimize_use_projections=0)}
            for name in dict.fromkeys(it.name for it in PROJECTIONS if table in it.tables and it.columns):
                chosen = {"preferred_optimize_projection_name": name, "force_optimize_projection_name": name}
                found[name] = await cpu(session, query, **chosen)
            able = sorted((value, name) for name, value in found.items() if value)
            (best, name), *others = able
            if others and name != "(table)":
                after, other = others[0]
                lines.append(f"| `{table}.{name}` | `{path}` | {best:.1f} | {after:.1f} (`{other}`) |")
    return sorted(lines)


async def main(folder: Path, events: int) -> None:
    """Print the table."""
    with Store(StoreSettings(store_dsn=f"chdb://{folder}/store")) as store:
        if not (folder / "filled").exists():
            await fill(store, events)
            (folder / "filled").touch()
        print("| projection | query of | CPU ms | without it |\n|---|---|--:|--:|")
        for line in await measured(store):
            print(line)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as passing:
        kept = Path(os.environ.get("SPENDMETER_BENCH_STORES", passing)) / sys.argv[1]
        kept.mkdir(exist_ok=True)
        asyncio.run(main(kept, int(sys.argv[1])))
