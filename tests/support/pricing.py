"""Books of a few rows, calls as the columns that pricing reads, and prices as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from spendmeter_events.extract import Usage
from spendmeter_stream.pricing import PriceBook, price_chunk
from spendmeter_stream.pricing.book.documents import document_of_rows
from spendmeter_stream.pricing.book.units import COUNT_COLUMNS

M = 1_000_000
ROW: dict[str, Any] = {
    "provider": "maker",
    "models": ["m"],
    "from": "beginning",
    "source": "here",
    "verified_at": "2026-01-01",
}
"""A row without its rates."""

COSTS = ("input_cost", "cache_read_cost", "cache_write_cost", "output_cost", "audio_cost", "unit_cost")


class Call(NamedTuple):
    """One call, with its counts by unit (audio in milliseconds as `audio_milliseconds`)."""

    provider: str
    model: str
    usage: Mapping[str, int] = {}
    at: str = "2026-11-01T12:00:00+00:00"
    tier: str = "standard"
    region: str = ""
    org: str = "acme"
    tags: Mapping[str, str] = {}
    reported: Decimal | None = None
    """Cost that the provider reports, USD."""


@cache
def packaged_book() -> PriceBook:
    """Return the packaged book, compiled once for all tests."""
    return PriceBook.load()


def book_of(*rows: Mapping[str, Any]) -> PriceBook:
    """Return a book of these rows, completed from `ROW`."""
    return PriceBook(documents=document_of_rows([{**ROW, **row} for row in rows], layer=1))


def per_million(**rates: str) -> dict[str, Any]:
    return {"per_million": rates}


def used(**counts: int) -> Call:
    """Return a call of the model of `ROW`."""
    return Call("maker", "m", counts)


def milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def columns(calls: Sequence[Call]) -> dict[str, Any]:
    """Return the calls as one chunk."""
    counts = {name: np.array([call.usage.get(name, 0) for call in calls], np.int64) for name in COUNT_COLUMNS}
    return {
        "provider": [call.provider for call in calls],
        "model": [call.model for call in calls],
        "org_id": [call.org for call in calls],
        "service_tier": [call.tier for call in calls],
        "region": [call.region for call in calls],
        "occurred_at_ms": np.array([milliseconds(call.at) for call in calls], np.int64),
        "tags": [dict(call.tags) for call in calls],
        "provider_cost": pa.array([call.reported for call in calls], pa.decimal128(38, 12)),
        **counts,
    }


def price_all(book: PriceBook, calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Return every column of every call, as Python values."""
    priced = {name: column.to_pylist() for name, column in price_chunk(book, columns(calls)).items()}
    return [{name: values[row] for name, values in priced.items()} for row in range(len(calls))]


def price(book: PriceBook, call: Call) -> dict[str, Any]:
    return price_all(book, [call])[0]


def costs(priced: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return the components that are not 0."""
    return {name: priced[name] for name in COSTS if priced[name]}


def write_book(folder: Path, **files: str) -> PriceBook:
    """Write a book from these files (`seed__name` is `seed/name`)."""
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return PriceBook.load(folder)


def cost_of_usage(usage: Usage, at: str = Call._field_defaults["at"]) -> dict[str, Any]:
    """Price extracted usage with the packaged book."""
    counts = {name: getattr(usage, name) for name in COUNT_COLUMNS if hasattr(usage, name)}
    counts["audio_milliseconds"] = round(usage.audio_seconds * 1000)
    tier, tags = usage.service_tier or "standard", usage.as_fields().get("tags", {})
    cost = usage.provider_cost_usd
    reported = None if cost is None else Decimal(repr(cost)).quantize(Decimal("1e-12"))
    call = Call(usage.provider, usage.model, counts, at, tier, usage.region, tags=tags, reported=reported)
    return price(packaged_book(), call)
