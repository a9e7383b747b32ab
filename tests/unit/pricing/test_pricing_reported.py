"""A cost that the provider reports is used where the book has no rate, and never instead of a known rate."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from spendmeter_clickhouse.prices.price_cards import decode
from spendmeter_events import extract
from spendmeter_rollups.calls.charge_lines import charge_lines, reported_line, total
from spendmeter_stream.pricing.book import units
from tests.support.pricing import COSTS, Call, book_of, cost_of_usage, packaged_book, per_million, price, price_all

BOOK = book_of(per_million(input_tokens="2"))
REPORTED = Decimal("0.0125")
SIDES = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}


def unknown(**call: Any) -> Call:
    return Call("maker", "unknown", {"input_tokens": 1000}, **{"reported": REPORTED, **call})


def test_a_call_without_any_rate_has_the_reported_cost_and_names_its_source() -> None:
    priced = price(BOOK, unknown(tags={"cost_source": "usage.cost"}))

    assert (priced["cost"], priced["unit_cost"], priced["pricing_status"]) == (REPORTED, REPORTED, "priced")
    assert (priced["price_version"], priced["unpriced_units"]) == ("reported:usage.cost", [])
    assert (priced["unpriced_requests"], priced["partial_requests"]) == (0, 0)
    assert price(BOOK, unknown())["price_version"] == "reported:provider_cost_usd"
    assert units.COST_SOURCE_TAG == extract.COST_SOURCE_TAG


def test_a_known_rate_is_preferred_even_for_a_part_of_the_call() -> None:
    whole = Call("maker", "m", {"input_tokens": 1000}, reported=REPORTED)
    half = Call("maker", "m", {"input_tokens": 1000, "output_tokens": 9}, reported=REPORTED)

    assert [price(BOOK, call)["cost"] for call in (whole, half)] == [Decimal("0.002"), Decimal("0.002")]
    assert price(BOOK, half)["pricing_status"] == "partial"
    assert price(BOOK, half)["price_version"] == BOOK.version


@pytest.mark.parametrize("reported", [None, Decimal(0)])
def test_no_cost_and_a_cost_of_0_leave_the_call_unpriced(reported: Decimal | None) -> None:
    priced = price(BOOK, unknown(reported=reported))

    assert (priced["cost"], priced["pricing_status"], priced["unpriced_units"]) == (0, "unpriced", ["input_tokens"])


def test_a_call_with_incomplete_counts_stays_partial() -> None:
    priced = price(BOOK, unknown(tags={"usage": "aborted"}))

    assert (priced["cost"], priced["pricing_status"], priced["unpriced_units"]) == (REPORTED, "partial", ["usage"])
    assert (priced["unpriced_requests"], priced["partial_requests"]) == (0, 1)


def test_only_the_call_of_a_chunk_that_reports_a_cost_changes() -> None:
    plain = Call("maker", "m", {"input_tokens": 1000})

    found = price_all(BOOK, [plain, unknown(), unknown(reported=None)])

    assert [each["cost"] for each in found] == [Decimal("0.002"), REPORTED, 0]
    assert all(each["cost"] == sum(each[name] for name in COSTS) for each in found)


@pytest.mark.parametrize(
    ("body", "source"),
    [
        ({"usage": {**SIDES, "cost": 0.0125}}, "usage.cost"),
        ({"usage": {**SIDES, "cost": {"total_cost": 0.0125}}}, "usage.cost.total_cost"),
        ({"usage": {**SIDES, "estimated_cost": 0.0125}}, "usage.estimated_cost"),
        ({"usage": {**SIDES, "total_cost": 0.0125}}, "usage.total_cost"),
        ({"usage": SIDES, "response_cost": 0.0125}, "response_cost"),
        ({"usage": SIDES, "_hidden_params": {"response_cost": 0.0125}}, "_hidden_params.response_cost"),
        (
            {"usage": SIDES, "providerMetadata": {"gateway": {"cost": "0.0125"}}},
            "providerMetadata.gateway.cost",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_costs_of_providers_and_gateways_are_read(body: dict[str, Any], source: str) -> None:
    usage = extract.from_openai({"model": "unlisted-model", **body})
    assert (usage.provider_cost_usd, usage.tags["cost_source"]) == (0.0125, source)
    assert cost_of_usage(usage)["cost"] == REPORTED
    assert cost_of_usage(usage)["price_version"] == f"reported:{source}"


def test_the_fee_of_a_gateway_is_not_the_cost_of_a_call_on_the_own_key() -> None:
    """With the caller's own key, OpenRouter's `cost` is its fee: without the upstream's charge the cost is unknown."""
    own = {"is_byok": True, "cost": 0.0005}
    known = {**own, "cost_details": {"upstream_inference_cost": 0.012}}
    fee, whole = (
        extract.from_openrouter({"model": "unlisted/model", "usage": {**SIDES, **each}}) for each in (own, known)
    )

    assert (fee.provider_cost_usd, fee.key_source) == (None, "byok")
    assert (cost_of_usage(fee)["pricing_status"], cost_of_usage(whole)["cost"]) == ("unpriced", REPORTED)


def test_the_explanation_adds_up_for_reported_costs_and_replaced_images() -> None:
    drawn = {"images": 2, "output_image_tokens": 1056, "input_image_tokens": 323}
    call = Call("openai", "gpt-image-1", drawn, tags={"image_size": "1024x1024", "image_quality": "low"})
    book = packaged_book()
    priced = price(book, call)
    rates = decode(book.cards.unwritten()[0][priced["price_card"]])
    lines = charge_lines({name: Decimal(drawn.get(name, 0)) for name in units.UNITS}, rates)

    assert total(lines) == priced["cost"] == Decimal("0.04547")
    assert [line.replaced_by for line in lines if line.unit == "images"] == [["output_image_tokens"]]
    priced = price(BOOK, unknown())
    assert (priced["price_card"], total([reported_line(priced["price_version"], priced["cost"])])) == ("", REPORTED)
