"""Calls, books and sums for the tests of repricing."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.catalogue import COST_COLUMNS, PRICING_COUNTERS
from spendmeter_events import UsageEvent
from spendmeter_stream.directory import UserAttributes
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.reprice import CallSelection, append_adjustments, lease
from tests.support.pricing import write_book
from tests.support.records import event

HERE = Coordinates("life", 0)
ALL: Final = CallSelection(start=datetime(2026, 9, 1, tzinfo=UTC), end=datetime(2026, 12, 1, tzinfo=UTC))
ROLLUPS = ("usage_15m", "usage_hourly", "usage_daily", "user_daily")

HEAD = 'provider = "{0}"\n[defaults]\nfrom = "beginning"\nsource = "test"\nverified_at = 2026-11-01\n'
RATE = "[[price]]\nmodels = [{models}]\nper_million = {{ input_tokens = {input}, {cached}output_tokens = {output} }}\n"


def rate(models: str, input_: str, output: str, cached: str = "") -> str:
    cache = f"cache_read_tokens = {cached}, " if cached else ""
    return RATE.format(models=models, input=input_, output=output, cached=cache)


def first_book(folder: Path) -> PriceBook:
    """Write and return a book without `new-model` and without a price of gpt-4o's cache."""
    return write_book(
        folder,
        openai=HEAD.format("openai") + rate('"gpt-4o"', "2.5", "10") + rate('"gpt-4o-mini"', "0.15", "0.6", "0.075"),
        anthropic=HEAD.format("anthropic") + rate('"claude-*"', "3", "15", "0.3"),
    )


def second_book(folder: Path) -> PriceBook:
    """Write and return a book with cheaper gpt-4o, a price of its cache, `new-model`, and unchanged Claude."""
    return write_book(
        folder,
        openai=HEAD.format("openai")
        + rate('"gpt-4o"', "2.123457", "9.000001", "1.25")
        + rate('"gpt-4o-mini"', "0.15", "0.6", "0.075")
        + rate('"new-model"', "1", "2", "0.1"),
        anthropic=HEAD.format("anthropic") + rate('"claude-*"', "3", "15", "0.3"),
    )


async def blank(session: Session) -> None:
    """Empty every table that a repricing reads or writes."""
    for table in ("usage_events", *ROLLUPS, "latency_daily", "reprice_blocks", "reprice_open_blocks", "reprice_runs"):
        await session.command(f"TRUNCATE TABLE {table}")


async def apply(
    session: Session, book: PriceBook, selection: CallSelection = ALL, *, seconds: int = 60, **options: Any
) -> int:
    """Run once. A run that dies in a block blocks others for `seconds`."""
    async with lease(session, selection, book.version, seconds=seconds) as leased:
        return await append_adjustments(leased, book, **options)


def calls(count: int = 240, *, seed: int = 1) -> list[UsageEvent]:
    """Return calls over three months and several hours, of every model, also failed ones and ones without a user."""
    draw = random.Random(seed)
    models = [("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("openai", "new-model"), ("anthropic", "claude-x")]
    made = []
    for number in range(count):
        provider, model = draw.choice(models)
        made.append(
            event(
                seed * 1_000_000 + number,
                occurred_at=f"2026-{draw.choice((9, 10, 11)):02}-{draw.randint(1, 28):02}"
                f"T{draw.randint(0, 23):02}:{draw.randint(0, 59):02}:07.123Z",
                provider=provider,
                model=model,
                user_id=draw.choice(("u1", "u2", None)),
                org_id=draw.choice(("a", "b")),
                status=draw.choice(("ok", "error")),
                input_tokens=draw.randint(0, 10**6),
                cache_read_tokens=draw.choice((0, draw.randint(1, 10**5))),
                output_tokens=draw.randint(0, 10**5),
                latency_ms=draw.randint(1, 5000),
                tags={"team": "x"},
            )
        )
    return made


def block(events: list[UsageEvent], book: PriceBook, *, where: Coordinates = HERE) -> Any:
    return build_block(
        Events.of(events),
        coordinates=where,
        book=book,
        users={("a", "u1"): UserAttributes("student", "7", "A")},
        ingested_at=datetime.now(UTC),
    )


async def insert(session: Session, events: list[UsageEvent], book: PriceBook, *, where: Coordinates = HERE) -> None:
    await session.insert_arrow("usage_events", block(events, book, where=where))


def expected(events: list[UsageEvent], book: PriceBook) -> dict[str, Any]:
    """Return the sums of `events` with the prices of `book`, computed without the store."""
    table = block(events, book)
    return {name: sum(table[name].to_pylist()) for name in (*COST_COLUMNS, *PRICING_COUNTERS)}


async def sums(session: Session, table: str = "usage_events") -> dict[str, Any]:
    names = (*COST_COLUMNS, *PRICING_COUNTERS)
    answer = await session.query(f"SELECT {', '.join(f'sum(t.{name})' for name in names)} FROM {table} AS t")
    return dict(zip(names, answer.result_rows[0], strict=True))


async def ensure_rollups_equal_raw(session: Session) -> None:
    """Assert that every measure of every rollup, by day, org, model and user, equals raw events."""
    measures = (*COST_COLUMNS, *PRICING_COUNTERS, "requests", "input_tokens", "output_tokens", "audio_seconds")
    by_model = "toStartOfDay({0}) AS day, org_id, provider, model, role, feature, status"
    for table in ROLLUPS:
        keys = "toStartOfDay({0}) AS day, org_id, user_id, role, class_name" if table == "user_daily" else by_model
        summed = ", ".join(f"sum(t.{name})" for name in measures)
        raw = f"{summed}, sum(t.requests * (t.status = 'error')), sum(t.latency_ms), countIf(t.latency_ms > 0)"
        rolled = f"{summed}, sum(t.errors), sum(t.latency_sum), sum(t.latency_requests)"
        ends = ("min(t.occurred_at), max(t.occurred_at)", "min(t.first_seen), max(t.last_seen)")
        group = "GROUP BY ALL ORDER BY ALL"
        from_raw = await session.query(
            f"SELECT {keys.format('t.occurred_at')}, {raw}, {ends[0]} FROM usage_events AS t {group}"
        )
        from_rollup = await session.query(
            f"SELECT {keys.format('t.bucket')}, {rolled}, {ends[1]} FROM {table} AS t {group}"
        )
        assert from_rollup.result_rows == from_raw.result_rows, table
    calls_with_latency = await session.query("SELECT count() FROM usage_events WHERE latency_ms IS NOT NULL")
    binned = await session.query("SELECT sum(latency_requests) FROM latency_daily")
    assert binned.result_rows == calls_with_latency.result_rows
