"""Processor time of hot paths beside baselines in the same process: `python -m benchmarks.quick_parts` prints JSON.

Each figure is the baseline's time over ours, so that it does not depend on the speed of the machine: more is better.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final

from benchmarks import pricing
from benchmarks.query import client_of, timed
from benchmarks.query_events import fill, still
from spendmeter_clickhouse import Store, StoreSettings
from spendmeter_events.traffic import generate
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.validate import validate
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.pricing import PriceBook, price_chunk

_ROUNDS: Final = 3
_RECORDS: Final = 10_000
_EVENTS: Final = 100_000
_REQUESTS: Final = 6
_NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
_BASELINE: Final = "SELECT org_id, sum(requests) FROM usage_daily GROUP BY org_id"
ENDPOINTS: Final = {
    "query summary": "usage/summary",
    "query org": "usage/breakdown/org",
    "query user": "usage/breakdown/user",
    "query series": "usage/timeseries?group_by=model",
}


@dataclass(frozen=True, slots=True)
class _Record:
    key: bytes
    value: bytes
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()
    topic: str = "bench"
    partition: int = 0


def build() -> list[float]:
    """`json.loads` of a chunk over validation, pricing and the build of its block, by round."""
    book = PriceBook.load()
    events = islice(generate(seed=7, days=90, end=_NOW, scale=25), _RECORDS)
    at = int(_NOW.timestamp() * 1000)
    records = [_Record(key, value, offset, at) for offset, (key, value) in enumerate(events)]

    def ours() -> None:
        good = validate(records, now=_NOW, max_future=timedelta(hours=1))
        build_block(
            good.events, coordinates=Coordinates("bench", 0), book=book, users={}, ingested_at=datetime.now(UTC)
        )

    def baseline() -> None:
        for record in records:
            json.loads(record.value)

    ours()
    return [_seconds(baseline, 5) / _seconds(ours, 3) for _ in range(_ROUNDS)]


def prices() -> list[float]:
    """Time of `genai_prices` for an event over that of ours, by round."""
    book, columns = PriceBook.load(), pricing.chunk(random.Random(7))
    price_chunk(book, columns)
    # Its first calls fill its caches.
    pricing.calls_per_second()
    events = len(columns["model"])
    return [
        1 / pricing.calls_per_second() / (_seconds(lambda: price_chunk(book, columns), 10) / events)
        for _ in range(_ROUNDS)
    ]


async def queries() -> dict[str, list[float]]:
    """Time of a small SELECT over that of each endpoint, by round."""
    found: dict[str, list[float]] = {name: [] for name in ENDPOINTS}
    with tempfile.TemporaryDirectory() as folder, Store(StoreSettings(store_dsn=f"chdb://{folder}/store")) as store:
        session = store.session("baseline")
        await fill(store, _EVENTS)
        await still(session)
        async with client_of(store) as client:
            for path in ENDPOINTS.values():
                await timed(client, path)
            for _ in range(_ROUNDS):
                one = await _mean(partial(session.query, _BASELINE), 10 * _REQUESTS)
                for name, path in ENDPOINTS.items():
                    found[name].append(one / await _mean(partial(timed, client, path), _REQUESTS))
    return found


async def _mean(ask: Callable[[], Awaitable[object]], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        await ask()
    return (time.process_time() - began) / times


def _seconds(work: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


if __name__ == "__main__":
    logging.getLogger("httpx").setLevel(logging.WARNING)
    print(json.dumps({"build": build(), "pricing": prices(), **asyncio.run(queries())}))
