"""How fast the query service answers over generated events, beside the same endpoints on raw events.

Run one size as a process of its own: `python -m benchmarks.query EVENTS`. It prints one line of JSON. With
SPENDMETER_BENCH_STORES, a folder, what is filled is kept there and used again (10 GB for 100 million events).

The app is called in process, without a socket, by clients that each wait for their answer; its cache is off. "Raw" is
the same app with a planner without rollups: every answer is compared, so that the faster one is also equal.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import httpx
import psutil
from fastapi import FastAPI

from benchmarks.query_events import NOW, fill, still
from spendmeter_clickhouse import Store, StoreSettings
from spendmeter_rollups import ServiceSettings, create_app
from spendmeter_rollups.query import planner

KEY: Final = "the key of the query benchmark: 0123456789"
ENDPOINTS: Final = (
    "usage/summary",
    "usage/timeseries",
    "usage/timeseries?group_by=model",
    "usage/timeseries?tz=Asia/Kolkata",
    "usage/breakdown/org",
    "usage/breakdown/user",
    "usage/breakdown/role",
    "usage/breakdown/class",
    "usage/breakdown/feature",
    "usage/breakdown/agent",
    "usage/breakdown/provider",
    "usage/breakdown/model",
    "usage/breakdown/key_source",
    "usage/breakdown?group_by=role&group_by=model",
    "usage/breakdown?group_by=org&group_by=feature",
    "usage/breakdown?group_by=user&group_by=feature",
    "usage/timeseries?group_by=role&group_by=provider",
    "usage/summary?service=chat",
    "usage/models",
    "usage/heatmap",
    "usage/projection",
    "usage/cache",
    "usage/errors",
    "usage/users/user-7",
    "usage/events",
    "filters/model?q=model",
    "filters/user?q=user-7",
    "budgets",
)
BREAKDOWNS: Final = tuple(path for path in ENDPOINTS if "/breakdown/" in path)
_RAGGED: Final = "from=2026-10-21T09:23:00Z&to=2026-11-20T15:07:00Z"
RAGGED: Final = tuple(f"usage/{path}?{_RAGGED}" for path in ("summary", "breakdown/user", "breakdown/feature"))
"""Over windows whose ends no rollup of people has, and a previous one with others."""
_NOT_ROLLED_UP: Final = ("usage/events",)
"""Read the log itself: there is nothing to compare."""
_BUDGETS: Final = (
    *({"scope": "org", "org_id": f"org-{number}", "amount": "1000"} for number in range(20)),
    *({"scope": "feature", "feature": f"feature-{number}", "amount": "1000"} for number in range(10)),
)
_CLIENTS: Final = 8
_EXPORTED: Final = 10_000_000

Client = httpx.AsyncClient


def quantile(seconds: list[float], share: float) -> float:
    """In milliseconds; the slowest of so few that no other is above."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def app_of(store: Store) -> FastAPI:
    """An app with neither cache nor limit."""
    settings = ServiceSettings(
        admin_key=KEY,
        answer_cache_seconds=0,
        requests_per_minute=0,
        query_timeout_seconds=600,
        query_memory_bytes=8 * 2**30,
    )
    return create_app(store=store, settings=settings, clock=lambda: NOW)


@asynccontextmanager
async def client_of(store: Store) -> AsyncIterator[Client]:
    """A client of an app with neither cache nor limit."""
    transport = httpx.ASGITransport(app_of(store))
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://bench/v1/", headers=headers, timeout=900
    ) as client:
        yield client


async def timed(client: Client, path: str) -> tuple[float, Any]:
    """Seconds and the answer."""
    began = time.perf_counter()
    response = await client.get(path)
    seconds = time.perf_counter() - began
    response.raise_for_status()
    return seconds, response.json()


async def one(client: Client, path: str, times: int) -> list[float]:
    """One client, one request after the other."""
    return [(await timed(client, path))[0] for _ in range(times)]


async def one_timed(client: Client, path: str, times: int) -> tuple[list[float], float]:
    """The same, and the processor's seconds a request: less is said by a clock where others are at work."""
    began = time.process_time()
    found = await one(client, path, times)
    return found, (time.process_time() - began) / times


async def many(client: Client, path: str, times: int) -> list[float]:
    """Several clients at once."""
    found = await asyncio.gather(*(one(client, path, times) for _ in range(_CLIENTS)))
    return [seconds for each in found for seconds in each]


async def on_raw(client: Client, path: str, times: int) -> tuple[list[float], Any]:
    """The same endpoint with a planner without rollups."""
    with patch.object(planner, "FAMILIES", ()):
        found = [await timed(client, path) for _ in range(times)]
    return [seconds for seconds, _ in found], found[-1][1]


async def endpoint(client: Client, path: str, *, times: int, raw_times: int) -> dict[str, float | None]:
    """Latencies in ms; raises where the two answers differ."""
    _, answer = await timed(client, path)
    alone, cpu = await one_timed(client, path, times)
    crowd = await many(client, path, max(1, times // 10))
    found: dict[str, float | None] = {
        **{f"one_p{share}": quantile(alone, share / 100) for share in (50, 95, 99)},
        **{f"many_p{share}": quantile(crowd, share / 100) for share in (50, 95, 99)},
        "cpu": 1000 * cpu,
        "raw": None,
        "raw_cpu": None,
    }
    if path not in _NOT_ROLLED_UP:
        began = time.process_time()
        raw, same = await on_raw(client, path, raw_times)
        found["raw_cpu"] = 1000 * (time.process_time() - began) / raw_times
        assert same == answer, f"{path}: raw events say something else"
        found["raw"] = 1000 * min(raw)
    return found


async def export(app: FastAPI, events: int) -> dict[str, float]:
    """The log as CSV: rows a second, and the process's memory in MiB early on and at the end."""
    process, rows, early, began = psutil.Process(), 0, 0.0, time.perf_counter()
    # The client of a test would keep the whole body: the app is called as a server calls it.
    async for chunk in _body(app, "/v1/usage/export/events", b"preset=all"):
        rows += chunk.count(b"\r\n")
        if not early and rows > events // 20:
            early = process.memory_info().rss / 2**20
    return {
        "rows": rows - 1,
        "per_second": rows / (time.perf_counter() - began),
        "early_mib": early,
        "end_mib": process.memory_info().rss / 2**20,
    }


async def _body(app: FastAPI, path: str, query: bytes) -> AsyncIterator[bytes]:
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await chunks.put(message.get("body", b""))
            if not message.get("more_body"):
                await chunks.put(None)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(b"authorization", f"Bearer {KEY}".encode())],
    }
    asking = asyncio.create_task(app(scope, receive, send))
    while (chunk := await chunks.get()) is not None:
        yield chunk
    await asking


async def measure(events: int, folder: str) -> dict[str, Any]:
    """Fill a store, ask every endpoint, export the log."""
    filled = Path(folder) / "filled"
    with Store(StoreSettings(store_dsn=f"chdb://{folder}/store")) as store:
        if not filled.exists():
            await fill(store, events)
            filled.touch()
        # Open to the end: the engine stops with its last client, and begins again with merges.
        session = store.session("still")
        await still(session)
        sizes = await session.query(
            "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active"
            " AND database = {database:String} AND table LIKE '%\\_%' GROUP BY table ORDER BY table",
            {"database": store.database},
        )
        async with client_of(store) as client:
            if not (await timed(client, "budgets"))[1]["budgets"]:
                for body in _BUDGETS:
                    (await client.post("budgets", json=body)).raise_for_status()
            times, raw_times = 50, 2 if events <= 10**7 else 1
            found = {}
            for path in (*ENDPOINTS, *RAGGED):
                found[path] = await endpoint(client, path, times=times, raw_times=raw_times)
                print(json.dumps({path: found[path]}), file=sys.stderr, flush=True)
            exported = await export(app_of(store), events) if events <= _EXPORTED else None
    return {
        "events": events,
        "tables": {table: [rows, size] for table, rows, size in sizes.result_rows if rows},
        "endpoints": found,
        "export": exported,
    }


def main(events: int) -> None:
    """Measure one size on a folder that is kept where the environment names one, and else gone afterwards."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    kept = os.environ.get("SPENDMETER_BENCH_STORES")
    with tempfile.TemporaryDirectory() as passing:
        folder = Path(kept or passing) / str(events)
        folder.mkdir(exist_ok=True)
        print(json.dumps(asyncio.run(measure(events, str(folder)))))


if __name__ == "__main__":
    main(int(sys.argv[1]))
