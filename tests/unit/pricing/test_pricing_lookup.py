"""Which row prices a call: names, prefixes, resellers and layers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.pricing.book.documents import document_of_rows
from tests.support.pricing import ROW, Call, M, book_of, costs, per_million, price, price_all


@pytest.mark.parametrize(
    "name",
    ["m", "M", " m ", "models/m", "openai/m", "maker/m", "maker/openai/m", "m-2026-01-31", "m@20260131", "x:m",
     "publishers/google/models/m", "projects/p/locations/us/publishers/google/models/m-20260131",
     "arn:aws:bedrock:us-east-1:1:inference-profile/m-20260131-v1:0"],
)  # fmt: skip
def test_a_model_is_found_under_its_names_at_gateways(name: str) -> None:
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
