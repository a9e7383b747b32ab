"""Blocks of `usage_events` as the worker builds them, and the sums of raw events and rollups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final

import pyarrow as pa

from spendmeter_clickhouse import Session
from spendmeter_events import UsageEvent
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.journal.exactly_once import exactly_once
from spendmeter_stream.pricing import PriceBook
from tests.support.records import event

HERE: Final = Coordinates("life-1", 0)
ELSEWHERE: Final = Coordinates("life-1", 1)
ROLLUPS: Final = ("usage_15m", "usage_hourly", "usage_daily", "user_daily", "latency_daily")
TABLES: Final = ("usage_events", *ROLLUPS)
_SUMS: Final = {
    "usage_events": "sum(requests), sum(input_tokens), sum(output_tokens), sum(cost), count(latency_ms)",
    "latency_daily": "0, 0, 0, toDecimal128(0, 12), sum(latency_requests)",
    **dict.fromkeys(
        ("usage_15m", "usage_hourly", "usage_daily", "user_daily"),
        "sum(requests), sum(input_tokens), sum(output_tokens), sum(cost), sum(latency_requests)",
    ),
}


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of one table and month: tokens, USD, calls."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    latencies: int = 0

    def __add__(self, other: Sums) -> Sums:
        mine, theirs = self._parts(), other._parts()
        return Sums(*(left + right for left, right in zip(mine, theirs, strict=True)))

    def _parts(self) -> tuple[Any, ...]:
        return self.requests, self.input_tokens, self.output_tokens, self.cost, self.latencies


Books = dict[tuple[str, int], Sums]
"""(table, YYYYMM) → sums."""


@cache
def packaged_book() -> PriceBook:
    """Return the packaged price book, loaded once."""
    return PriceBook.load()


def events_around_a_month_boundary(count: int, *, first: int = 1) -> list[UsageEvent]:
    """Return events, half of them in October, half in November 2026; most have a latency."""
    minutes = ("2026-10-31T23:{:02}:59.999Z", "2026-11-01T00:{:02}:00.001Z")
    return [
        event(
            number, occurred_at=minutes[number % 2].format(number % 60), latency_ms=None if number % 7 == 0 else number
        )
        for number in range(first, first + count)
    ]


def block_of(
    events: Sequence[UsageEvent],
    *,
    coordinates: Coordinates = HERE,
    first_offset: int = 0,
    book: PriceBook | None = None,
    users: Mapping[tuple[str, str], Any] | None = None,
) -> pa.Table:
    """Return the block that a worker inserts, with events at consecutive offsets."""
    return build_block(
        Events.of(events, range(first_offset, first_offset + len(events))),
        coordinates=coordinates,
        book=book or packaged_book(),
        users=users or {},
        ingested_at=datetime.now(UTC),
    )


async def insert_block(session: Session, block: pa.Table, token: str, **settings: Any) -> None:
    """Insert as step 6 of the protocol does."""
    await session.insert_arrow("usage_events", block, settings={**exactly_once(token), **settings})


async def empty(session: Session) -> None:
    """Delete all events, rollups and journal tables."""
    for table in (*TABLES, "ingest_chunks", "ingest_newest_chunks"):
        await session.command(f"TRUNCATE TABLE {table}")


def books_of(*blocks: pa.Table) -> Books:
    """Return the expected sums of every table if each of `blocks` was counted once."""
    sums: dict[int, Sums] = {}
    for block in blocks:
        for row in _rows(block):
            month = row["occurred_at"].year * 100 + row["occurred_at"].month
            latency = row["latency_ms"] is not None
            sums[month] = sums.get(month, Sums()) + Sums(
                1, row["input_tokens"], row["output_tokens"], row["cost"], int(latency)
            )
    books = {(table, month): total for month, total in sums.items() for table in TABLES if table != "latency_daily"}
    with_latency = {month: total for month, total in sums.items() if total.latencies}
    return books | {("latency_daily", month): Sums(latencies=total.latencies) for month, total in with_latency.items()}


async def read_books(session: Session) -> Books:
    """Return the sums of every table."""
    books: Books = {}
    for table in TABLES:
        moment = "occurred_at" if table == "usage_events" else "bucket"
        rows = await session.query(f"SELECT toYYYYMM({moment}) AS month, {_SUMS[table]} FROM {table} GROUP BY month")
        books |= {(table, month): Sums(*sums) for month, *sums in rows.result_rows}
    return books


def _rows(block: pa.Table) -> Iterable[dict[str, Any]]:
    wanted = ["occurred_at", "input_tokens", "output_tokens", "cost", "latency_ms"]
    rows: list[dict[str, Any]] = block.select(wanted).to_pylist()
    return rows
