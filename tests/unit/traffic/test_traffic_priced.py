"""Every call of the demo has a price: an unpriced row on a new board would look like a bug."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from spendmeter_events import UsageEvent
from spendmeter_events.traffic import INCIDENTS, TrafficRecord, generate
from spendmeter_stream.pricing import PriceBook, price_chunk
from spendmeter_stream.pricing.book.units import COUNT_COLUMNS

END = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.load()


def _statuses(book: PriceBook, calls: list[TrafficRecord]) -> dict[tuple[str, str, str], Counter[str]]:
    """Return (provider, model, tier) → pricing status → calls."""
    events = [UsageEvent.model_validate_json(value) for _, value in calls]
    columns: dict[str, Any] = {
        name: [getattr(event, name) for event in events]
        for name in ("provider", "model", "org_id", "service_tier", "region", "tags")
    }
    columns["occurred_at_ms"] = np.array([int.from_bytes(key[:6]) for key, _ in calls], np.int64)
    for name in COUNT_COLUMNS:
        if name == "audio_milliseconds":
            values = [round(event.audio_seconds * 1000) for event in events]
        else:
            values = [getattr(event, name) for event in events]
        columns[name] = np.array(values, np.int64)
    priced = price_chunk(book, columns)
    statuses: dict[tuple[str, str, str], Counter[str]] = {}
    for event, status in zip(events, priced["pricing_status"].to_pylist(), strict=True):
        line = (event.provider, event.model, event.service_tier)
        statuses.setdefault(line, Counter())[str(status)] += 1
    return statuses


def test_every_call_of_the_baseline_is_priced_or_free(book: PriceBook) -> None:
    statuses = _statuses(book, list(generate(seed=11, days=10, end=END)))
    assert {line: found for line, found in statuses.items() if set(found) - {"priced", "free"}} == {}
    assert {provider for (provider, _, _), found in statuses.items() if found["free"]} == {"ollama", "edge-tts"}


def test_only_the_incident_that_is_meant_to_be_is_unpriced(book: PriceBook) -> None:
    for name, incident in INCIDENTS.items():
        found = sum(_statuses(book, list(incident(seed=1, start=END, minutes=20))).values(), Counter[str]())
        if name == "unpriced_model":
            assert set(found) == {"unpriced"}
        else:
            assert set(found) == {"priced"}
