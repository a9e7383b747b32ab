"""Seeding from `genai-prices`: the imported rates."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

import pytest
from genai_prices import types
from genai_prices.data_snapshot import DataSnapshot

import spendmeter_stream.pricing.seed.genai as genai_module
from spendmeter_stream.pricing.seed.genai import Dated, PriceSeries, data_date, read_seed
from spendmeter_stream.pricing.seed.genai_names import names_of
from tests.support.seeds import JULY, TODAY, rates


def model(name: str, prices: object, **fields: object) -> types.ModelInfo:
    return types.ModelInfo(id=name, match=types.ClauseEquals(equals=name), prices=prices, **fields)  # type: ignore[arg-type]


def plain(**prices: str) -> types.ModelPrice:
    return types.ModelPrice(**{key: Decimal(value) for key, value in prices.items()})


def since(day: date, prices: types.ModelPrice) -> types.ConditionalPrice:
    return types.ConditionalPrice(types.StartDateConstraint(day), prices=prices)


@pytest.fixture
def snapshot(monkeypatch: pytest.MonkeyPatch) -> list[types.ModelInfo]:
    """Replace the package's data by models that a test appends."""
    models: list[types.ModelInfo] = []
    provider = types.Provider(
        id="openai", name="OpenAI", api_pattern="", models=models, price_comments="as of 2026-03-04"
    )
    monkeypatch.setattr(genai_module, "get_snapshot", lambda: DataSnapshot([provider], from_auto_update=False))
    return models


def test_plain_prices_apply_without_a_start(snapshot: list[types.ModelInfo]) -> None:
    snapshot.append(model("m", plain(input_mtok="1", cache_write_mtok="2", audio_hours="3", input_mchars="4")))

    assert read_seed("openai").prices == {
        PriceSeries(models=("m",)): [
            Dated(
                starts=None,
                ends=None,
                rates=(
                    ("per_hour", "audio_seconds", Decimal(3)),
                    ("per_million", "cache_write_5m_tokens", Decimal(2)),
                    ("per_million", "characters", Decimal(4)),
                    ("per_million", "input_tokens", Decimal(1)),
                ),
            )
        ]
    }


def test_dated_prices_follow_each_other(snapshot: list[types.ModelInfo]) -> None:
    prices = [
        types.ConditionalPrice(prices=plain(input_mtok="2")),
        since(JULY, plain(input_mtok="1")),
        since(TODAY, plain(input_mtok="1")),
    ]
    snapshot.append(model("m", prices))

    assert read_seed("openai").prices[PriceSeries(models=("m",))] == [
        Dated(starts=None, ends=JULY, rates=rates(input_tokens="2")),
        Dated(starts=JULY, ends=None, rates=rates(input_tokens="1")),
    ]


def test_context_tiers_are_series_of_their_own_and_end_when_they_are_gone(snapshot: list[types.ModelInfo]) -> None:
    tiered = types.ModelPrice(
        input_mtok=types.TieredPrices(base=Decimal(1), tiers=[types.Tier(start=200, price=Decimal(2))]),
        output_mtok=Decimal(5),
    )
    snapshot.append(
        model("m", [types.ConditionalPrice(prices=tiered), since(JULY, plain(input_mtok="1", output_mtok="5"))])
    )

    assert read_seed("openai").prices == {
        PriceSeries(models=("m",)): [Dated(starts=None, ends=None, rates=rates(input_tokens="1", output_tokens="5"))],
        PriceSeries(models=("m",), context_over=200): [Dated(starts=None, ends=JULY, rates=rates(input_tokens="2"))],
    }


def test_daily_windows_begin_with_the_newest_dated_price(snapshot: list[types.ModelInfo]) -> None:
    window = types.TimeOfDateConstraint(time(1), time(4))
    prices = [
        types.ConditionalPrice(prices=plain(input_mtok="1")),
        since(JULY, plain(input_mtok="2")),
        types.ConditionalPrice(window, prices=plain(input_mtok="4")),
    ]
    snapshot.append(model("m", prices))

    windowed = read_seed("openai").prices[PriceSeries(models=("m",), window=(time(1), time(4)))]
    assert windowed == [Dated(starts=JULY, ends=None, rates=rates(input_tokens="4"))]


def test_a_tier_reaches_back_to_the_last_change_of_the_standard_price(snapshot: list[types.ModelInfo]) -> None:
    half = types.PriceVariant(
        when={"processing": "batch"}, prices=plain(input_mtok="0.5"), constraint=types.StartDateConstraint(TODAY)
    )
    dated = [types.ConditionalPrice(prices=plain(input_mtok="2")), since(JULY, plain(input_mtok="1", output_mtok="3"))]
    snapshot.append(model("m", dated, price_variants=[half]))
    snapshot.append(model("n", plain(input_mtok="1"), price_variants=[half]))

    prices = read_seed("openai").prices
    assert prices[PriceSeries(models=("m",), tier="batch")] == [
        Dated(starts=JULY, ends=None, rates=rates(input_tokens="0.5", output_tokens="3"))
    ]
    assert prices[PriceSeries(models=("n",), tier="batch")][0].starts is None


def test_a_tier_follows_its_own_dates_and_the_standard_ones_after_them(snapshot: list[types.ModelInfo]) -> None:
    def variant(day: date, rate: str) -> types.PriceVariant:
        constraint = types.StartDateConstraint(day)
        return types.PriceVariant(when={"service_tier": "flex"}, prices=plain(input_mtok=rate), constraint=constraint)

    later = date(2027, 1, 1)
    dated = [
        types.ConditionalPrice(prices=plain(input_mtok="2", output_mtok="4")),
        since(later, plain(output_mtok="6")),
    ]
    snapshot.append(model("m", dated, price_variants=[variant(TODAY, "0.8"), variant(JULY, "1")]))

    assert read_seed("openai").prices[PriceSeries(models=("m",), tier="flex")] == [
        Dated(starts=None, ends=TODAY, rates=rates(input_tokens="1", output_tokens="4")),
        Dated(starts=TODAY, ends=later, rates=rates(input_tokens="0.8", output_tokens="4")),
        Dated(starts=later, ends=None, rates=rates(input_tokens="0.8", output_tokens="6")),
    ]


def test_a_route_is_a_region_and_other_contexts_are_ignored(snapshot: list[types.ModelInfo]) -> None:
    variants = [
        types.PriceVariant(when={"route": "mistral/eu"}, prices=plain(input_mtok="1.1")),
        types.PriceVariant(when={"service_tier": "default"}, prices=plain()),
        types.PriceVariant(when={"search_type": "fast", "processing": "batch"}, prices=plain(input_mtok="9")),
    ]
    snapshot.append(model("m", plain(input_mtok="1"), price_variants=variants))

    assert set(read_seed("openai").prices) == {PriceSeries(models=("m",)), PriceSeries(models=("m",), region="eu")}


def test_units_without_a_count_are_left_out_and_reported(snapshot: list[types.ModelInfo]) -> None:
    snapshot += [
        model("video", plain(input_mtok="1", output_mtok="2", output_video_mtok="30")),
        model("fee", plain(input_mtok="1", requests_kcount="5")),
        model("vision", plain(input_mtok="1", input_video_mtok="1.2")),
        model("nothing", plain()),
        model("gift:free", plain()),
    ]

    seed = read_seed("openai")

    assert seed.prices == {
        PriceSeries(models=("video",)): [Dated(starts=None, ends=None, rates=rates(input_tokens="1"))],
        PriceSeries(models=("vision",)): [Dated(starts=None, ends=None, rates=rates(input_tokens="1"))],
        PriceSeries(models=("gift:free",)): [Dated(starts=None, ends=None, rates=())],
    }
    assert set(seed.skipped) == {"video", "fee", "nothing"}
    assert "output_tokens" in seed.skipped["video"]


def test_cached_audio_and_images_have_units(snapshot: list[types.ModelInfo]) -> None:
    snapshot.append(
        model(
            "m",
            plain(
                cache_audio_read_mtok="1", input_image_mtok="2", cache_image_read_mtok="3", output_image_mtok="4",
                output_mtok="5",
            ),
        )
    )  # fmt: skip

    seed = read_seed("openai")

    (dated,) = seed.prices[PriceSeries(models=("m",))]
    assert dated.rates == rates(
        cache_read_audio_tokens="1",
        cache_read_image_tokens="3",
        input_image_tokens="2",
        output_image_tokens="4",
        output_tokens="5",
    )
    assert not seed.skipped


def test_a_name_belongs_to_the_first_model_that_has_it(snapshot: list[types.ModelInfo]) -> None:
    snapshot += [model("m", plain(input_mtok="1")), model("m", plain(input_mtok="2"))]

    assert len(read_seed("openai").prices) == 1


def test_matching_rules_become_names_and_prefixes() -> None:
    unknown: list[str] = []
    rule = types.ClauseOr(
        or_=[
            types.ClauseEquals(equals="A"),
            types.ClauseStartsWith(starts_with="B-"),
            types.ClauseContains(contains="c"),
            types.ClauseEndsWith(ends_with="d"),
            types.ClauseRegex(regex=r"^grok-4\.3-\d{8}$"),
            types.ClauseRegex(regex=r"^opus-5[-@]\d{8}$"),
            types.ClauseRegex(regex=r"^gpt-6-\d{4}-\d{2}-\d{2}$"),
            types.ClauseAnd(and_=[types.ClauseStartsWith(starts_with="e"), types.ClauseRegex(regex="x")]),
            types.ClauseRegex(regex="(odd|even)"),
        ]
    )

    assert list(names_of(rule, unknown)) == ["a", "b-*", "c*", "d", "grok-4.3", "opus-5", "gpt-6", "e*"]
    assert unknown == ["(odd|even)"]


def test_a_rule_that_is_no_name_is_reported(snapshot: list[types.ModelInfo]) -> None:
    odd = types.ClauseOr(or_=[types.ClauseEquals(equals="m"), types.ClauseRegex(regex="(a|b)")])
    snapshot.append(types.ModelInfo(id="m", match=odd, prices=plain(input_mtok="1")))

    assert read_seed("openai").skipped == {"m": "no name or prefix: (a|b)"}


def test_the_date_of_the_data_is_the_newest_it_mentions(snapshot: list[types.ModelInfo]) -> None:
    snapshot.append(model("m", plain(input_mtok="1"), price_comments="checked 2026-05-06, changes on 2027-01-01"))

    assert data_date(TODAY) == date(2026, 5, 6)
