"""Every price and usage, compared with a reference in exact fractions, one call at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.pricing.book.documents import document_of_rows
from tests.support.pricing import COSTS, Call, packaged_book, price_all

TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
)
OTHERS = ("characters", "audio_seconds", "images", "tool_calls")
UNITS = (*TOKENS, *OTHERS)
CHAT = ("input_tokens", "cache_read_tokens", "output_tokens")
COMPONENT = {
    **dict.fromkeys(TOKENS[2:4], "cache_write_cost"),
    **dict.fromkeys(TOKENS[5:], "audio_cost"),
    **dict.fromkeys(OTHERS, "unit_cost"),
    "input_tokens": "input_cost",
    "cache_read_tokens": "cache_read_cost",
    "output_tokens": "output_cost",
}
PICO = Decimal("1e-12")
CHANGE = datetime(2026, 7, 1, tzinfo=UTC)


class Spec(NamedTuple):
    """One model's prices in USD per million units: two dated price lists, with higher rates for long prompts."""

    early: dict[str, Decimal]
    late: dict[str, Decimal]
    long: dict[str, Decimal]
    threshold: int
    minimum: int
    step: int
    factor: Decimal


money = st.decimals(min_value=0, max_value=1_000, places=6, allow_nan=False)
odd_money = st.decimals(min_value=0, max_value=10, places=14, allow_nan=False)
rates = st.dictionaries(st.sampled_from(UNITS), money | odd_money, min_size=1).filter(lambda each: any(each.values()))
counts = st.integers(0, 2**40) | st.integers(0, 500_000)
usages = st.dictionaries(st.sampled_from(UNITS), counts)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
specs = st.builds(
    Spec,
    early=rates,
    late=rates,
    long=rates,
    threshold=st.integers(1, 400_000),
    minimum=st.integers(0, 60),
    step=st.integers(0, 60),
    factor=st.decimals(Decimal("0.1"), 3, places=3),
)


def book_of(spec: Spec) -> PriceBook:
    change = CHANGE.isoformat()
    rows: list[dict[str, Any]] = [{"from": "beginning", "factor": str(spec.factor), "regions": ["eu"]}]
    for name, listed, extra in (
        ("early", spec.early, {"from": "beginning", "to": change}),
        ("late", spec.late, {"from": change}),
        ("long", spec.long, {"from": "beginning", "context_over": spec.threshold}),
    ):
        plain = {unit: str(rate) for unit, rate in listed.items() if unit != "audio_seconds"}
        # A block with only zeros would have to be `free`: the rate of an unused tool makes it a price.
        rows.append({**extra, "per_million": plain, "tools_per_thousand": {name: "1"}})
        if "audio_seconds" in listed:
            audio = {"audio_seconds": str(listed["audio_seconds"]), "minimum": spec.minimum, "step": spec.step}
            rows.append({**extra, **metered(audio, name)})
    shared = {"provider": "maker", "models": ["m"], "source": "x", "verified_at": "2026-01-01"}
    return PriceBook(documents=document_of_rows([{**shared, **row} for row in rows], layer=1))


def metered(audio: dict[str, Any], name: str) -> dict[str, Any]:
    rate = {"audio_seconds": audio.pop("audio_seconds")}
    return {**audio, "per_million": rate, "tools_per_thousand": {f"{name}_audio": "1"}}


def call_of(usage: dict[str, int], at: datetime, region: str = "") -> Call:
    given_counts = {("audio_milliseconds" if unit == "audio_seconds" else unit): n for unit, n in usage.items()}
    return Call("maker", "m", given_counts, at=at.isoformat(), region=region)


def reference(spec: Spec, usage: dict[str, int], at: datetime, region: str = "") -> dict[str, Any]:
    """Return the cost of the call, directly from the price lists, in exact arithmetic."""
    listed = dict(spec.early if at < CHANGE else spec.late)
    prompt = sum(usage.get(unit, 0) for unit in (*TOKENS[:4], "input_audio_tokens"))
    if prompt > spec.threshold:
        listed |= spec.long
    factor = Fraction(spec.factor) if region == "eu" else Fraction(1)
    rate = {unit: Fraction(usd) * factor / 1_000_000 for unit, usd in listed.items()}
    result: dict[str, Any] = dict.fromkeys(COSTS, Decimal(0))
    for unit, count in usage.items():
        if unit in rate:
            result[COMPONENT[unit]] += rounded(billed(spec, unit, count) * rate[unit])
    saved = {unit: rate["input_tokens"] - rate[unit] for unit in TOKENS[1:4] if {unit, "input_tokens"} <= rate.keys()}
    result["cache_savings"] = sum((rounded(usage.get(unit, 0) * each) for unit, each in saved.items()), Decimal(0))
    used = [unit for unit, count in usage.items() if count]
    missing = [unit for unit in UNITS if unit in used and unit not in rate]
    result["unpriced_units"] = missing
    result["pricing_status"] = "priced" if not missing else "partial" if len(missing) < len(used) else "unpriced"
    return result


def billed(spec: Spec, unit: str, count: int) -> Fraction:
    """Return billed counts: seconds of audio have a minimum and steps, other units are billed as counted."""
    if unit != "audio_seconds" or not count:
        return Fraction(count)
    seconds = max(Fraction(count, 1_000), Fraction(spec.minimum))
    return seconds if not spec.step else -(-seconds // spec.step) * Fraction(spec.step)


def rounded(usd: Fraction) -> Decimal:
    """Round half to even at the pico-dollar, through `Decimal` with sufficient precision."""
    with localcontext(prec=200):
        exact = Decimal(usd.numerator) / Decimal(usd.denominator)
        return exact.quantize(PICO, ROUND_HALF_EVEN)


quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(specs, st.lists(st.tuples(usages, moments, st.sampled_from(["", "eu"])), min_size=1, max_size=8))
def test_every_column_equals_the_exact_reference(spec: Spec, calls: list[tuple[dict[str, int], datetime, str]]) -> None:
    priced = price_all(book_of(spec), [call_of(*call) for call in calls])

    for call, actual in zip(calls, priced, strict=True):
        expected = reference(spec, *call)
        assert {name: actual[name] for name in expected} == expected


@quick
@given(specs, usages, moments)
def test_no_cost_is_negative_and_components_sum_to_the_total(spec: Spec, usage: dict[str, int], at: datetime) -> None:
    (priced,) = price_all(book_of(spec), [call_of(usage, at)])

    assert all(priced[name] >= 0 for name in COSTS)
    assert priced["cost"] == sum(priced[name] for name in COSTS)
    assert priced["partial_requests"] + priced["unpriced_requests"] in (0, 1)


@quick
@given(specs, usages, moments, st.sampled_from(UNITS), st.integers(1, 2**39))
def test_more_of_a_unit_never_costs_less(spec: Spec, usage: dict[str, int], at: datetime, unit: str, more: int) -> None:
    # A long prompt may be cheaper in a random price list, but not in a real one, so no call reaches the threshold.
    spec = spec._replace(threshold=2**45)
    greater = {**usage, unit: usage.get(unit, 0) + more}

    before, after = price_all(book_of(spec), [call_of(usage, at), call_of(greater, at)])

    assert after["cost"] >= before["cost"]


@quick
@given(specs, st.lists(st.tuples(usages, moments), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_the_order_and_the_company_of_events_do_not_matter(
    spec: Spec, calls: list[tuple[dict[str, int], datetime]], random: Any
) -> None:
    book, ordered = book_of(spec), [call_of(*call) for call in calls]
    shuffled = list(enumerate(ordered))
    random.shuffle(shuffled)

    together = price_all(book, ordered)
    mixed = price_all(book, [call for _, call in shuffled])
    fresh = book_of(spec)
    alone = [price_all(fresh, [call])[0] for call in ordered]

    assert together == alone
    assert [
        priced
        for _, priced in sorted(zip((index for index, _ in shuffled), mixed, strict=True), key=lambda pair: pair[0])
    ] == together


@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-pro", "claude-haiku-5-5", "grok-4.20", "gpt-5.5"])
@settings(max_examples=40, deadline=None)
@given(
    usage=st.dictionaries(st.sampled_from([*TOKENS[:2], "output_tokens"]), st.integers(0, 400_000)),
    more=st.integers(1, 300_000),
)
def test_real_prices_rise_with_every_count_across_their_thresholds(
    packaged: PriceBook, model: str, usage: dict[str, int], more: int
) -> None:
    provider = {"gpt": "openai", "gem": "google", "cla": "anthropic", "gro": "xai"}[model[:3]]
    greater = [{**usage, unit: usage.get(unit, 0) + more} for unit in CHAT]

    first, *others = price_all(packaged, [Call(provider, model, each) for each in (usage, *greater)])

    assert all(each["cost"] >= first["cost"] for each in others)


@pytest.fixture(scope="module")
def packaged() -> PriceBook:
    return packaged_book()
