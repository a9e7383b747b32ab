"""Units other than tokens: seconds, images, tools, characters; free models and currencies."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.support.pricing import Call, M, book_of, costs, per_million, price, used


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
