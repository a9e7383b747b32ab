"""The rates stored with a call, multiplied by its counts, give its cost for every unit, minimum, step and factor."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from spendmeter_clickhouse.prices.price_cards import decode
from spendmeter_rollups.calls.charge_lines import ChargeLine, charge_lines, decimal_text, total
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.pricing.book.origins import time_text, window_text
from spendmeter_stream.pricing.book.rows import BEGINNING, FOREVER, DailyWindow
from spendmeter_stream.pricing.book.units import UNITS
from tests.support.pricing import Call, book_of, packaged_book, price_all


def explained(book: PriceBook, call: Call) -> tuple[Decimal, list[ChargeLine]]:
    """Return the cost of a call and the lines of its stored card."""
    (priced,) = price_all(book, [call])
    cards, _ = book.cards.unwritten()
    rates = decode(cards[priced["price_card"]]) if priced["price_card"] else {}
    counts = dict.fromkeys(UNITS, Decimal(0))
    for unit, count in call.usage.items():
        name, scale = ("audio_seconds", 1000) if unit == "audio_milliseconds" else (unit, 1)
        counts[name] = Decimal(count) / scale
    return priced["cost"], charge_lines(counts, rates)


@pytest.mark.parametrize(
    "call",
    [
        Call("openai", "gpt-4o", {"input_tokens": 7, "cache_read_tokens": 3, "output_tokens": 11}, tier="batch"),
        Call("openai", "whisper-1", {"audio_milliseconds": 2_110}),
        Call("openai", "gpt-image-1", {"input_tokens": 34, "output_image_tokens": 1056, "images": 1}),
        Call("anthropic", "claude-sonnet-4-20250514", {"input_tokens": 250_001}, "2025-10-01T00:00:00Z"),
        Call("google", "gemini-flash-latest", {"input_tokens": 999, "output_tokens": 5}),
        Call("groq", "whisper-large-v3", {"audio_milliseconds": 1_500}),
        Call("unlisted", "model", {"input_tokens": 5}),
    ],
    ids=lambda call: call.model,
)  # fmt: skip
def test_the_lines_add_up_to_the_cost(call: Call) -> None:
    cost, lines = explained(packaged_book(), call)
    assert total(lines) == cost
    assert all(line.origin or line.cost is None for line in lines)


def test_a_rate_without_an_end_is_a_fraction_and_rounds_half_to_even() -> None:
    book = book_of({"per_hour": {"audio_seconds": "0.40"}})
    cost, (line,) = explained(book, Call("maker", "m", {"audio_milliseconds": 2_001}))
    assert line.rate_usd == "1/9000"
    assert line.cost == cost == round(Fraction(2_001, 9_000_000), 12)
    assert str(line.billed) == "2.001"


@pytest.mark.parametrize(("value", "text"), [("3/4", "0.75"), ("1/3", "1/3"), ("7", "7"), ("1/1000000", "0.000001")])
def test_rates_have_all_digits(value: str, text: str) -> None:
    assert decimal_text(Fraction(value)) == text


def test_a_card_names_threshold_factor_and_alias() -> None:
    rows: list[dict[str, Any]] = [
        {"per_million": {"input_tokens": "2"}},
        {"per_million": {"input_tokens": "4"}, "context_over": 100},
        {"factor": Decimal("1.5"), "units": ["tokens"], "org": "acme"},
    ]
    _, (line,) = explained(book_of(*rows), Call("maker", "m", {"input_tokens": 101}))
    assert line.origin is not None
    assert (line.origin.min_context, line.origin.listed_usd, line.origin.factor) == (101, "0.000004", "1.5")
    assert line.rate_usd == "0.000006"
    _, (alias, _) = explained(
        packaged_book(), Call("google", "gemini-flash-latest", {"input_tokens": 1, "output_tokens": 1})
    )
    assert alias.origin is not None
    assert alias.origin.serves.startswith("gemini-")


def test_a_card_is_stored_once() -> None:
    book = book_of({"per_million": {"input_tokens": "2"}})
    price_all(book, [Call("maker", "m", {"input_tokens": 1}), Call("unlisted", "model", {"input_tokens": 1})])
    cards, number = book.cards.unwritten()
    assert len(cards) == 1
    book.cards.mark_written(number)
    assert book.cards.unwritten() == ({}, number)


def test_times_and_windows_are_texts() -> None:
    assert (time_text(BEGINNING), time_text(FOREVER), time_text(2**61)) == ("", "", "beyond the calendar")
    assert time_text(1_760_000_000_000) == "2025-10-09T08:53Z"
    assert window_text(DailyWindow(60, 240, frozenset(range(7)))) == "01:00-04:00 UTC daily"
    assert window_text(DailyWindow(0, 1440, frozenset((0, 6)))) == "00:00-24:00 UTC Mon,Sun"
