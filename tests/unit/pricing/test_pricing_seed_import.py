"""A second import that continues a seed, and the seed file."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from pathlib import Path

import pytest

from spendmeter_stream.pricing import PriceBook, packaged_directory
from spendmeter_stream.pricing.seed.genai import SEEDED, Dated, PriceSeries, data_date
from spendmeter_stream.pricing.seed.seeding import continued, plan_import, read_seed_file, seed_file
from tests.support.seeds import JULY, TODAY, rates

OLD = {
    PriceSeries(models=("m",)): [
        Dated(starts=None, ends=None, rates=rates(input_tokens="2"), source="genai-prices 0.1")
    ]
}


def test_the_same_price_is_confirmed_and_changes_nothing() -> None:
    change = continued(
        OLD, {PriceSeries(models=("m",)): [Dated(starts=None, ends=None, rates=rates(input_tokens="2"))]}, TODAY
    )

    assert change.lines == []
    assert change.prices == OLD
    assert change.prices[PriceSeries(models=("m",))][0].source == "", "confirmed: the file's own source again"


def test_a_price_that_changed_undated_changes_today_and_the_old_one_is_kept() -> None:
    change = continued(
        OLD, {PriceSeries(models=("m",)): [Dated(starts=None, ends=None, rates=rates(input_tokens="1"))]}, TODAY
    )

    first, second = change.prices[PriceSeries(models=("m",))]
    assert (first.rates, first.starts, first.ends) == (rates(input_tokens="2"), None, TODAY)
    assert (second.rates, second.starts, second.ends) == (rates(input_tokens="1"), TODAY, None)
    assert (first.source, second.source) == ("genai-prices 0.1", "")
    assert change.lines == ["~ m: input_tokens 2 -> input_tokens 1 from 2026-11-22"]


def test_a_price_that_changed_on_a_known_day_changes_then() -> None:
    new = [
        Dated(starts=None, ends=JULY, rates=rates(input_tokens="2")),
        Dated(starts=JULY, ends=None, rates=rates(input_tokens="1")),
    ]

    assert continued(OLD, {PriceSeries(models=("m",)): new}, TODAY).prices[PriceSeries(models=("m",))] == new


def test_an_end_that_was_announced_is_taken_over() -> None:
    new = {PriceSeries(models=("m",)): [Dated(starts=None, ends=JULY, rates=rates(input_tokens="2"))]}

    change = continued(OLD, new, TODAY)

    assert change.prices == new
    assert change.lines == ["- m: input_tokens 2 until 2026-07-01"]


def test_new_models_names_and_tiers_are_added() -> None:
    new = {
        PriceSeries(models=("m", "m-latest")): [Dated(starts=None, ends=None, rates=rates(input_tokens="2"))],
        PriceSeries(models=("m",), tier="batch", region="eu", context_over=9, window=(time(1), time(2))): [
            Dated(starts=None, ends=None, rates=())
        ],
    }

    change = continued(OLD, new, TODAY)

    assert PriceSeries(models=("m", "m-latest")) in change.prices
    assert change.lines == ["+ m batch eu over 9 01:00-02:00: free"]


def test_a_tier_that_is_gone_ends_and_a_model_that_is_gone_stays() -> None:
    old = {
        PriceSeries(models=("m",), context_over=5): [Dated(starts=None, ends=None, rates=rates(input_tokens="4"))],
        PriceSeries(models=("m",), tier="flex"): [Dated(starts=None, ends=JULY, rates=rates(input_tokens="1"))],
        PriceSeries(models=("retired",)): [Dated(starts=None, ends=None, rates=rates(input_tokens="3"))],
        **OLD,
    }

    change = continued(old, dict(OLD), TODAY)

    assert change.prices[PriceSeries(models=("m",), context_over=5)][0].ends == TODAY
    assert change.prices[PriceSeries(models=("retired",))][0].ends is None
    assert change.lines == ["- m over 5: input_tokens 4 until 2026-11-22"]


def test_a_seed_file_reads_back_as_it_was_written() -> None:
    prices = {
        PriceSeries(models=("m", "n*"), tier="batch", region="eu", context_over=200, window=(time(1), time(4))): [
            Dated(
                starts=None,
                ends=JULY,
                rates=rates(input_tokens="0.08333333333333334"),
                source="older",
                verified_at=JULY,
            ),
            Dated(starts=JULY, ends=None, rates=(("tools_per_thousand", "web_search", Decimal(10)),)),
        ],
        PriceSeries(models=("gift",)): [Dated(starts=None, ends=None, rates=())],
    }

    text = seed_file("maker", prices, package="genai-prices 9", checked=TODAY)

    back = read_seed_file(text)
    assert back == prices
    assert [each.source for each in next(iter(back.values()))] == ["older", "genai-prices 9"]


def test_an_imported_seed_is_a_valid_book(tmp_path: Path) -> None:
    plan = plan_import(tmp_path, "groq", effective=TODAY, checked=TODAY)
    plan.file.parent.mkdir()
    plan.file.write_text(plan.text)

    assert len(PriceBook.load(tmp_path).prices) > 30
    assert plan_import(tmp_path, "groq", effective=TODAY, checked=TODAY).lines == ()


@pytest.mark.parametrize("provider", sorted(SEEDED.values()))
def test_the_packaged_seed_equals_the_locked_package(provider: str) -> None:
    plan = plan_import(packaged_directory(), provider, effective=TODAY, checked=data_date(TODAY))

    assert plan.lines == ()
    assert plan.file.read_text() == plan.text
