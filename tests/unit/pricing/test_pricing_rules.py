"""Costs, savings, status and rounding of a call, on a book of a few rows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.pricing import Call, M, book_of, costs, per_million, price, price_all, used

CHAT = per_million(
    input_tokens="2",
    cache_read_tokens="0.5",
    cache_write_5m_tokens="2.5",
    cache_write_1h_tokens="4",
    output_tokens="8",
)


def test_each_bucket_has_its_rate_and_the_total_is_their_sum() -> None:
    priced = price(
        book_of(CHAT),
        used(
            input_tokens=M,
            cache_read_tokens=M,
            cache_write_5m_tokens=M,
            cache_write_1h_tokens=M,
            output_tokens=M,
        ),
    )

    assert costs(priced) == {
        "input_cost": 2,
        "cache_read_cost": Decimal("0.5"),
        "cache_write_cost": Decimal("6.5"),
        "output_cost": 8,
    }
    assert priced["cost"] == 17
    assert priced["pricing_status"] == "priced"


def test_savings_are_reads_below_the_input_rate_less_the_write_premium() -> None:
    book = book_of(CHAT)

    read = price(book, used(cache_read_tokens=M))
    written = price(book, used(cache_write_5m_tokens=M, cache_write_1h_tokens=M))
    both = price(book, used(cache_read_tokens=M, cache_write_5m_tokens=M, cache_write_1h_tokens=M))

    assert read["cache_savings"] == Decimal("1.5")
    assert written["cache_savings"] == Decimal("-2.5")
    assert both["cache_savings"] == Decimal(-1)


def test_a_call_whose_cache_cannot_be_judged_is_counted_as_such() -> None:
    book = book_of(per_million(input_tokens="2", cache_read_tokens="1"))

    judged = price(book, used(cache_read_tokens=5))
    blind = price(book, used(cache_read_tokens=5, cache_write_1h_tokens=5))

    assert (judged["cache_unpriced_requests"], blind["cache_unpriced_requests"]) == (0, 1)
    assert (blind["pricing_status"], blind["unpriced_units"]) == ("partial", ["cache_write_1h_tokens"])


def test_without_an_input_rate_no_cache_can_be_judged() -> None:
    priced = price(book_of(per_million(cache_read_tokens="1")), used(cache_read_tokens=M))

    assert priced["cost"] == 1
    assert (priced["cache_savings"], priced["cache_unpriced_requests"]) == (0, 1)


@pytest.mark.parametrize(
    ("usage", "status", "unpriced"),
    [
        ({}, "priced", []),
        ({"input_tokens": 1}, "priced", []),
        ({"input_tokens": 1, "images": 1}, "partial", ["images"]),
        ({"images": 1, "characters": 2}, "unpriced", ["characters", "images"]),
    ],
)
def test_the_status_names_the_missing_part(usage: dict[str, int], status: str, unpriced: list[str]) -> None:
    priced = price(book_of(per_million(input_tokens="1")), used(**usage))

    assert (priced["pricing_status"], priced["unpriced_units"]) == (status, unpriced)
    assert priced["partial_requests"] == (status == "partial")
    assert priced["unpriced_requests"] == (status == "unpriced")


@pytest.mark.parametrize("call", [Call("maker", "other"), Call("other", "m"), Call("maker", "m", tier="batch")])
def test_no_card_is_unpriced_even_where_nothing_was_used(call: Call) -> None:
    priced = price(book_of(per_million(input_tokens="1")), call)

    assert (priced["pricing_status"], priced["cost"], priced["unpriced_requests"]) == ("unpriced", 0, 1)


def test_a_rate_of_0_on_a_priced_model_is_a_price() -> None:
    priced = price(book_of(per_million(input_tokens="1", output_tokens="0")), used(output_tokens=M))

    assert (priced["pricing_status"], priced["cost"]) == ("priced", 0)


def test_usage_that_could_not_be_read_is_partial_at_best() -> None:
    book = book_of(per_million(input_tokens="1"), {"models": ["gift"], "free": True})
    possible_duplicates = {"usage": "aborted"}

    known, unknown, free = price_all(
        book,
        [
            Call("maker", "m", {"input_tokens": M}, tags=possible_duplicates),
            Call("maker", "other", {"input_tokens": M}, tags=possible_duplicates),
            Call("maker", "gift", {"input_tokens": M}, tags=possible_duplicates),
        ],
    )

    assert (known["pricing_status"], known["unpriced_units"], known["cost"]) == ("partial", ["usage"], 1)
    assert (unknown["pricing_status"], unknown["unpriced_units"]) == ("unpriced", ["input_tokens", "usage"])
    assert free["pricing_status"] == "free"


def test_counts_at_their_limit_are_exact() -> None:
    book = book_of(
        per_million(input_tokens="75", output_tokens="0.1"), {"models": ["small"], **per_million(input_tokens="1")}
    )
    most = 2**40

    large, small = price_all(
        book,
        [used(input_tokens=most, output_tokens=most, cache_read_tokens=0), Call("maker", "small", {"input_tokens": 7})],
    )

    assert large["input_cost"] == Decimal(most) * 75 / M
    assert large["cost"] == Decimal(most) * 75 / M + Decimal(most) / 10 / M
    assert small["cost"] == Decimal("0.000007")


def test_a_rate_that_is_no_whole_number_of_pico_dollars_is_rounded_half_to_even_once() -> None:
    book = book_of(per_million(input_tokens="0.0000005", output_tokens="0.08333333333333334"))

    half, one_and_a_half, third = price_all(
        book, [used(input_tokens=1), used(input_tokens=3), used(output_tokens=100_001)]
    )

    assert (half["cost"], one_and_a_half["cost"]) == (0, Decimal("2e-12"))
    assert third["cost"] == (Decimal("0.08333333333333334") * 100_001 / M).quantize(Decimal("1e-12"))


def test_an_empty_chunk_is_priced_too() -> None:
    assert price_all(book_of(per_million(input_tokens="1")), []) == []
