"""Conditions of a price: dates, prompt length, hours, tiers, regions and orgs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.pricing import Call, M, book_of, costs, per_million, price, price_all, used


def test_the_price_in_force_is_from_inclusive_to_exclusive() -> None:
    book = book_of(
        {**per_million(input_tokens="1"), "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T05:30:00+05:30"},
        {**per_million(input_tokens="2"), "from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
    )
    expected = {
        "2025-12-31T23:59:59.999+00:00": None,
        "2026-01-01T00:00:00+00:00": 1,
        "2026-01-31T23:59:59.999+00:00": 1,
        "2026-02-01T00:00:00+00:00": 2,
        "2026-02-28T23:59:59.999+00:00": 2,
        "2026-03-01T00:00:00+00:00": None,
    }

    priced = price_all(book, [Call("maker", "m", {"input_tokens": M}, at=at) for at in expected])

    assert [each["cost"] if each["pricing_status"] == "priced" else None for each in priced] == list(expected.values())


def test_a_price_without_an_end_applies_in_the_far_future() -> None:
    priced = price(
        book_of(per_million(input_tokens="1")), Call("maker", "m", {"input_tokens": M}, at="2999-01-01T00:00Z")
    )

    assert (priced["cost"], priced["pricing_status"]) == (1, "priced")


@pytest.mark.parametrize(("key", "at_the_limit"), [("context_over", 1), ("context_from", 2)])
def test_a_long_prompt_reprices_the_whole_request(key: str, at_the_limit: int) -> None:
    book = book_of(
        per_million(input_tokens="1", cache_read_tokens="1", output_tokens="10"),
        {**per_million(input_tokens="2", cache_read_tokens="2"), key: 1_000},
    )
    usage = {"cache_read_tokens": 400, "input_tokens": 600}

    at_limit = price(book, used(**usage))
    above = price(book, used(**usage, cache_write_5m_tokens=1, output_tokens=100))

    assert at_limit["cost"] == Decimal(at_the_limit) / 1_000
    assert above["input_cost"] + above["cache_read_cost"] == Decimal("0.002")
    assert above["output_cost"] == Decimal("0.001"), "a unit without a long-context rate keeps its own"


def test_audio_in_the_prompt_counts_towards_its_length_and_output_does_not() -> None:
    book = book_of(
        per_million(input_tokens="1", input_audio_tokens="1", output_tokens="1"),
        {**per_million(input_tokens="3", input_audio_tokens="3", output_tokens="3"), "context_over": 100},
    )

    audio, text = price_all(book, [used(input_audio_tokens=101), used(input_tokens=100, output_tokens=M)])

    assert audio["cost"] == Decimal("0.000303")
    assert text["output_cost"] == 1


def test_the_highest_threshold_reached_decides() -> None:
    book = book_of(
        per_million(input_tokens="1"),
        {**per_million(input_tokens="2"), "context_over": 10},
        {**per_million(input_tokens="3"), "context_over": 20},
    )

    priced = price_all(book, [used(input_tokens=count) for count in (10, 20, 21)])

    assert [each["cost"] * M / count for each, count in zip(priced, (10, 20, 21), strict=True)] == [1, 2, 3]


def test_a_daily_window_is_in_utc_and_limited_to_weekdays() -> None:
    window = {"from": "01:00", "to": "04:00", "days": ["mon", "tue"]}
    book = book_of(per_million(input_tokens="1"), {**per_million(input_tokens="2"), "daily": window})
    expected = {
        "2026-11-02T00:59:59.999+00:00": 1,  # a Monday
        "2026-11-02T01:00:00+00:00": 2,
        "2026-11-02T09:29:59+05:30": 2,
        "2026-11-02T04:00:00+00:00": 1,
        "2026-11-03T01:00:00+00:00": 2,
        "2026-11-04T01:00:00+00:00": 1,
        "1969-12-29T01:00:00+00:00": 2,
    }

    priced = price_all(book, [Call("maker", "m", {"input_tokens": M}, at=at) for at in expected])

    assert [each["cost"] for each in priced] == list(expected.values())


def test_tiers_are_priced_as_served_and_never_fall_back() -> None:
    book = book_of(
        per_million(input_tokens="2", output_tokens="4"),
        {**per_million(input_tokens="1"), "tiers": ["batch", "flex"]},
    )

    batch = price(book, Call("maker", "m", {"input_tokens": M, "output_tokens": M}, tier="Batch"))
    flex = price(book, Call("maker", "m", {"input_tokens": M}, tier="flex"))
    none = price(book, Call("maker", "m", {"input_tokens": M}, tier=""))

    assert (batch["cost"], batch["pricing_status"], batch["unpriced_units"]) == (1, "partial", ["output_tokens"])
    assert flex["cost"] == 1
    assert none["cost"] == 2, "no tier is the standard one"


def test_a_region_has_its_own_rates_or_a_factor_but_not_both() -> None:
    book = book_of(
        per_million(input_tokens="1", output_tokens="1", characters="1"),
        {**per_million(output_tokens="5"), "regions": ["EU"]},
        {"factor": "1.1", "regions": ["eu", "us"], "units": ["tokens"]},
    )
    usage = {"input_tokens": M, "output_tokens": M, "characters": M}

    europe, america, elsewhere = (
        costs(price(book, Call("maker", "m", usage, region=region))) for region in ("eu", "US", "asia")
    )

    assert europe == {"input_cost": Decimal("1.1"), "output_cost": 5, "unit_cost": 1}
    assert america == {"input_cost": Decimal("1.1"), "output_cost": Decimal("1.1"), "unit_cost": 1}
    assert elsewhere == {"input_cost": 1, "output_cost": 1, "unit_cost": 1}


def test_an_org_has_a_discount_or_a_negotiated_rate_which_is_final() -> None:
    book = book_of(
        per_million(input_tokens="1", output_tokens="1"),
        {**per_million(output_tokens="0.3"), "org": "acme"},
        {"factor": "0.9", "org": "acme"},
        {"factor": "2", "regions": ["eu"]},
    )
    usage = {"input_tokens": M, "output_tokens": M}

    acme = costs(price(book, Call("maker", "m", usage, org="acme", region="eu")))
    other = costs(price(book, Call("maker", "m", usage, org="other", region="eu")))

    assert acme == {"input_cost": Decimal("1.8"), "output_cost": Decimal("0.3")}
    assert other == {"input_cost": 2, "output_cost": 2}


def test_a_negotiated_rate_needs_no_list_price() -> None:
    book = book_of({**per_million(input_tokens="3"), "org": "acme", "models": ["*"]})

    acme, other = price_all(book, [Call("maker", "secret", {"input_tokens": M}, org=org) for org in ("acme", "other")])

    assert (acme["cost"], acme["pricing_status"]) == (3, "priced")
    assert other["pricing_status"] == "unpriced"


def test_the_nearest_factor_applies_alone() -> None:
    book = book_of(
        per_million(input_tokens="10"),
        {"factor": "0.9", "org": "acme", "models": ["*"]},
        {"factor": "0.5", "org": "acme", "from": "2026-01-01T00:00:00Z"},
    )

    before, after = price_all(
        book, [Call("maker", "m", {"input_tokens": M}, at=at) for at in ("2025-06-01T00:00Z", "2026-06-01T00:00Z")]
    )

    assert (before["cost"], after["cost"]) == (10, 5)
