"""Fill a store with demo traffic through the worker's pricing and blocks, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from spendmeter_clickhouse import Session, Store
from spendmeter_deploy.embedded.demo_rates import seed_rates
from spendmeter_events import UsageEvent
from spendmeter_events.topics import DIRECTORY
from spendmeter_events.traffic import TrafficRecord, directory, generate
from spendmeter_stream.directory import Directory
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.stored_cards import store_cards
from tests.support.records import FakeRecord


def fill_with_demo(store: Store, *, days: float, end: datetime, seed: int = 1, scale: float = 1) -> None:
    """Insert directory and events of the `days` days before `end`; `scale` as in `generate`."""
    with store.session("demo") as session:
        asyncio.run(_fill(session, days=days, end=end, seed=seed, scale=scale))


async def _fill(session: Session, *, days: float, end: datetime, seed: int, scale: float) -> None:
    known = Directory(session=session)
    entries = [entry.model_dump_json().encode() for entry in directory(seed)]
    await seed_rates(session, end=end)
    await known.apply([FakeRecord(number, None, entry, topic=DIRECTORY) for number, entry in enumerate(entries)])
    await store_calls(session, generate(seed=seed, days=days, end=end, scale=scale), known=known, name="demo")


async def store_calls(session: Session, calls: Iterator[TrafficRecord], *, known: Directory, name: str) -> None:
    """Price and insert `calls` as a worker would; `name` makes their coordinates distinct."""
    book = PriceBook.load()
    offset = 0
    while chunk := list(islice(calls, 20_000)):
        events = [UsageEvent.model_validate_json(value) for _, value in chunk]
        block = build_block(
            Events.of(events, range(offset, offset + len(events))),
            coordinates=Coordinates(name, 0),
            book=book,
            users=known.users,
            ingested_at=events[-1].occurred_at,
        )
        await store_cards(session, book)
        await session.insert_arrow("usage_events", block, settings={"optimize_on_insert": 0})
        offset += len(events)
