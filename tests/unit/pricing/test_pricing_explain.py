"""The rates in force and their reasons, as `spendmeter prices show` prints them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.pricing.book.documents import document_of_rows
from spendmeter_stream.pricing.book.index import CallKind
from spendmeter_stream.pricing.explain import explain, rates_at
from tests.support.pricing import milliseconds, packaged_book

AT = milliseconds("2026-11-02T12:00:00+00:00")


def rates(provider: str, model: str, *, at: int = AT, prompt: int = 0, **call: Any) -> dict[str, Fraction]:
    kind = CallKind(provider, model, call.pop("tier", "standard"), call.pop("region", ""))
    return {each.unit: each.usd for each in explain(packaged_book(), kind, at_ms=at, prompt=prompt).rates}


def test_a_rate_has_its_row_layer_factor_and_source() -> None:
    found = explain(packaged_book(), CallKind("azure", "us/gpt-4o-2024-11-20", "standard", ""), at_ms=AT)

    (rate,) = [each for each in found.rates if each.unit == "input_tokens"]
    assert (rate.usd * 1_000_000, rate.factor) == (Fraction("2.75"), Fraction("1.1"))
    assert (rate.layer, rate.certain) == ("seed", True)
    assert rate.row.price.terms.place.file == "seed/openai.toml"
    assert found.provider == "azure"


def test_an_alias_shows_the_model_that_it_served() -> None:
    kind = CallKind("gemini", "gemini-flash-latest", "standard", "")
    found = explain(packaged_book(), kind, at_ms=milliseconds("2025-11-01T00:00:00+00:00"))

    assert found.alias is not None
    assert found.alias.serves == "gemini-2.5-flash-preview-09-2025"
    assert explain(packaged_book(), CallKind("openai", "gpt-5", "standard", ""), at_ms=AT).alias is None


def test_the_hour_the_prompt_and_the_place_decide() -> None:
    peak = milliseconds("2026-11-02T02:00:00+00:00")

    assert rates("deepseek", "deepseek-flash")["input_tokens"] == Fraction("0.15") / 1_000_000
    assert rates("deepseek", "deepseek-flash", at=peak)["input_tokens"] == Fraction("0.30") / 1_000_000
    assert rates("anthropic", "claude-sonnet-4", prompt=200_001)["input_tokens"] == Fraction(6) / 1_000_000
    (rate, *_) = explain(
        packaged_book(), CallKind("bedrock", "me.amazon.nova-pro-v1:0", "standard", ""), at_ms=AT
    ).rates
    assert not rate.certain


def test_audio_is_shown_by_the_second() -> None:
    assert rates("openai", "whisper-1") == {"audio_seconds": Fraction("0.0001")}


def test_an_unknown_model_has_no_rates() -> None:
    unknown = explain(packaged_book(), CallKind("nobody", "m", "standard", ""), at_ms=AT)

    assert (unknown.provider, unknown.alias, unknown.rates) == (None, None, [])
    assert rates("openai", "gpt-99") == {}
    assert packaged_book().aliases("nobody", "m") == []


def test_a_row_of_the_topic_is_named_as_such() -> None:
    row = {"provider": "maker", "models": ["m"], "from": "beginning", "source": "here", "verified_at": "2026-01-01"}
    book = PriceBook(documents=document_of_rows([{**row, "per_million": {"input_tokens": "1"}}], layer=1))
    changed = book.with_rows([{**row, "provider": "Maker", "per_million": {"input_tokens": "2"}}])

    image, text = explain(changed, CallKind("maker", "m", "standard", ""), at_ms=AT).rates
    assert text.layer == image.layer == "topic"
    assert text.usd * 1_000_000 == image.usd * 1_000_000 == 2
    assert (text.unit, image.unit, image.row.rate.unit) == ("input_tokens", "input_image_tokens", "input_tokens")


def test_the_rates_of_a_call_are_those_that_show_prints() -> None:
    book, kind = packaged_book(), CallKind("openai", "gpt-5-mini", "standard", "")
    shown = {each.unit: each.usd for each in explain(book, kind, at_ms=AT).rates}

    assert {unit: rate.pico / 10**12 for unit, rate in rates_at(book, kind, at_ms=AT).items()} == shown
    assert rates_at(book, CallKind("openai", "gpt-99", "standard", ""), at_ms=AT) == {}


def test_the_rates_of_a_call_depend_on_its_time_and_prompt() -> None:
    book, kind = packaged_book(), CallKind("google", "gemini-2.5-pro", "standard", "")
    short, long = (rates_at(book, kind, at_ms=AT, prompt=prompt)["input_tokens"].pico for prompt in (1_000, 500_000))

    assert long == 2 * short
