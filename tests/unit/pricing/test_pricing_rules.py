"""The pricing rules, each on a book of a few rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.pricing.book.documents import document_of_rows
from tests.support.pricing import Call, costs, price, price_all

M = 1_000_000
ROW: dict[str, Any] = {
    "provider": "maker",
    "models": ["m"],
    "from": "beginning",
    "source": "here",
    "verified_at": "2026-01-01",
}


def book_of(*rows: dict[str, Any]) -> PriceBook:
    return PriceBook(documents=document_of_rows([{**ROW, **row} for row in rows], layer=1))


def per_million(**rates: str) -> dict[str, Any]:
    return {"per_million": rates}


def used(**counts: int) -> Call:
    return Call("maker", "m", counts)


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


def test_the_price_in_force_is_from_inclusive_to_exclusive() -> None:
    book = book_of(
        {**per_million(input_tokens="1"), "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T05:30:00+05:30"},
        {**per_million(input_tokens="2"), "from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
    )
    moments = {
        "2025-12-31T23:59:59.999+00:00": None,
        "2026-01-01T00:00:00+00:00": 1,
        "2026-01-31T23:59:59.999+00:00": 1,
        "2026-02-01T00:00:00+00:00": 2,
        "2026-02-28T23:59:59.999+00:00": 2,
        "2026-03-01T00:00:00+00:00": None,
    }

    priced = price_all(book, [Call("maker", "m", {"input_tokens": M}, at=at) for at in moments])

    assert [each["cost"] if each["pricing_status"] == "priced" else None for each in priced] == list(moments.values())


def test_an_open_price_holds_in_the_far_future() -> None:
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

    heard, said = price_all(book, [used(input_audio_tokens=101), used(input_tokens=100, output_tokens=M)])

    assert heard["cost"] == Decimal("0.000303")
    assert said["output_cost"] == 1


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
    moments = {
        "2026-11-02T00:59:59.999+00:00": 1,  # a Monday
        "2026-11-02T01:00:00+00:00": 2,
        "2026-11-02T09:29:59+05:30": 2,
        "2026-11-02T04:00:00+00:00": 1,
        "2026-11-03T01:00:00+00:00": 2,
        "2026-11-04T01:00:00+00:00": 1,
        "1969-12-29T01:00:00+00:00": 2,
    }

    priced = price_all(book, [Call("maker", "m", {"input_tokens": M}, at=at) for at in moments])

    assert [each["cost"] for each in priced] == list(moments.values())


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


def test_seconds_are_billed_with_a_minimum_and_in_steps() -> None:
    book = book_of(
        {"per_minute": {"audio_seconds": "0.6"}, "minimum": 15, "step": 1},
        {"models": ["hourly"], "per_hour": {"audio_seconds": "36"}, "minimum": 2},
    )

    charged = [
        price(book, Call("maker", model, {"audio_milliseconds": milliseconds}))["cost"]
        for model, milliseconds in [("m", 0), ("m", 1), ("m", 15_000), ("m", 15_001), ("hourly", 2_001), ("hourly", 5)]
    ]

    assert charged == [Decimal(cost) for cost in ("0", "0.15", "0.15", "0.16", "0.02001", "0.02")]


def test_an_image_that_is_billed_by_its_tokens_is_not_billed_twice() -> None:
    book = book_of(
        per_million(output_tokens="40"),
        {"per_unit": {"images": "0.04"}, "unless_counted": ["output_tokens"], "when": {"image_size": "1x1"}},
    )
    size = {"image_size": "1x1"}

    by_token = price(book, Call("maker", "m", {"images": 1, "output_tokens": 1_000}, tags=size))
    by_image = price(book, Call("maker", "m", {"images": 2}, tags=size))

    assert costs(by_token) == {"output_cost": Decimal("0.04")}
    assert costs(by_image) == {"unit_cost": Decimal("0.08")}
    assert by_token["pricing_status"] == "priced"


def test_tags_choose_an_image_rate_exactly() -> None:
    book = book_of(
        {"per_unit": {"images": "1"}},
        {"per_unit": {"images": "2"}, "when": {"image_quality": "HD"}},
        {"per_unit": {"images": "3"}, "when": {"image_quality": "hd", "image_size": "big"}},
        {"models": ["flat"], "per_unit": {"images": "9"}},
    )

    def cost(model: str, **tags: str) -> Any:
        priced = price(book, Call("maker", model, {"images": 1}, tags={**tags, "course": "physics"}))
        return priced["cost"] if priced["pricing_status"] == "priced" else None

    assert cost("m") == 1
    assert cost("m", image_quality="hd") == 2
    assert cost("m", image_quality="hd", image_size="BIG") == 3
    assert cost("m", image_quality="low") is None
    assert cost("m", image_size="big") is None
    assert cost("flat", image_quality="low", image_size="big") == 9


def test_each_tool_has_its_price() -> None:
    book = book_of({"tools_per_thousand": {"web_search": "10", "file_search": "2.5"}})

    web, file, other, untold = (
        price(book, Call("maker", "m", {"tool_calls": 1_000}, tags=tags))
        for tags in ({"tool": "web_search"}, {"tool": "file_search"}, {"tool": "mixed"}, {})
    )

    assert (web["unit_cost"], file["unit_cost"]) == (10, Decimal("2.5"))
    assert other["unpriced_units"] == untold["unpriced_units"] == ["tool_calls"]


def test_free_covers_every_unit_and_every_tier() -> None:
    book = book_of({"models": ["*"], "free": True})
    usage = {"input_tokens": M, "images": 5, "audio_milliseconds": 7, "characters": 3}

    priced = price(book, Call("maker", "any:7b", usage, tier="priority"))

    assert (priced["pricing_status"], priced["cost"], priced["unpriced_units"]) == ("free", 0, [])
    assert price(book, Call("maker", "idle"))["pricing_status"] == "free"


def test_a_foreign_price_is_stored_in_usd() -> None:
    book = book_of({"per_million": {"characters": "20"}, "currency": "EUR", "usd": "1.1"})

    assert price(book, used(characters=M))["cost"] == 22


@pytest.mark.parametrize(
    "name",
    ["m", "M", " m ", "models/m", "openai/m", "maker/m", "maker/openai/m", "m-2026-01-31", "m@20260131", "x:m",
     "publishers/google/models/m", "projects/p/locations/us/publishers/google/models/m-20260131",
     "arn:aws:bedrock:us-east-1:1:inference-profile/m-20260131-v1:0"],
)  # fmt: skip
def test_a_model_is_found_under_the_names_that_gateways_give_it(name: str) -> None:
    documents = document_of_rows([{**ROW, **per_million(input_tokens="1")}], layer=1)
    heads = document_of_rows([{**ROW, "provider": "openai", **per_million(input_tokens="7")}], layer=1)
    documents[0].head.data["strip"] = ["x:"]  # type: ignore[index]
    book = PriceBook(documents=[*documents, *heads])

    assert price(book, Call("Maker", name, {"input_tokens": M}))["cost"] == 1


def test_an_exact_name_is_nearer_than_a_prefix_and_a_longer_prefix_than_a_shorter() -> None:
    book = book_of(
        {**per_million(input_tokens="1"), "models": ["*"]},
        {**per_million(input_tokens="2"), "models": ["gpt-5*"]},
        {**per_million(input_tokens="3"), "models": ["gpt-5-mini*"]},
        {**per_million(input_tokens="4"), "models": ["gpt-5-mini-2026-01-01"]},
        {**per_million(input_tokens="5"), "models": ["gpt-5-nano"]},
        {**per_million(input_tokens="6"), "models": ["gpt-5-pro-2026-02-03"]},
    )
    names = ["o9", "gpt-5", "gpt-5-mini", "gpt-5-mini-2026-01-01", "gpt-5-nano-2026-01-01", "gpt-5-pro-20260203"]

    priced = price_all(book, [Call("maker", name, {"input_tokens": M}) for name in names])

    assert [each["cost"] for each in priced] == [1, 2, 3, 4, 5, 6]


def test_a_reseller_takes_the_makers_standard_list_price() -> None:
    documents = document_of_rows(
        [
            {**ROW, **per_million(input_tokens="1")},
            {**ROW, **per_million(input_tokens="9"), "regions": ["eu"]},
            {**ROW, **per_million(input_tokens="0.5"), "tiers": ["batch"]},
            {**ROW, "provider": "shop", "factor": "1.5", "regions": ["eu"]},
        ],
        layer=1,
    )
    documents[3].head.data["resells"] = ["nothing-like-it", "maker"]  # type: ignore[index]
    documents += document_of_rows([{**ROW, "provider": "nothing-like-it", "models": ["z"], "free": True}], layer=1)
    book = PriceBook(documents=documents)
    usage = {"input_tokens": M}

    standard, regional, batch, unknown = price_all(
        book,
        [
            Call("shop", "m", usage),
            Call("shop", "m", usage, region="eu"),
            Call("shop", "m", usage, tier="batch"),
            Call("shop", "n", usage),
        ],
    )

    assert (standard["cost"], regional["cost"]) == (1, Decimal("1.5"))
    assert batch["pricing_status"] == unknown["pricing_status"] == "unpriced"


def test_a_higher_layer_replaces_the_rates_of_its_pattern_and_no_other() -> None:
    seed = document_of_rows(
        [
            {**ROW, **per_million(input_tokens="1", output_tokens="1")},
            {**ROW, **per_million(input_tokens="1"), "models": ["m-2026-01-01"]},
        ],
        layer=0,
    )
    hand = document_of_rows([{**ROW, **per_million(input_tokens="2"), "from": "2026-01-01T00:00:00Z"}], layer=1)
    book = PriceBook(documents=[*seed, *hand])
    usage = {"input_tokens": M, "output_tokens": M}

    before, after, snapshot = price_all(
        book,
        [
            Call("maker", "m", usage, at="2025-12-31T00:00Z"),
            Call("maker", "m", usage, at="2026-06-01T00:00Z"),
            Call("maker", "m-2026-01-01", {"input_tokens": M}, at="2026-06-01T00:00Z"),
        ],
    )

    assert costs(before) == {"input_cost": 1, "output_cost": 1}
    assert costs(after) == {"input_cost": 2, "output_cost": 1}
    assert costs(snapshot) == {"input_cost": 1}


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
