"""5,000 random calls, priced here and by `genai_prices`: equal, or different for a listed reason.

Rates were seeded from that package, so equality proves no rate. It does prove the rest: tiers, dates, thresholds, cache
buckets, names and arithmetic, which the package's code computes independently.
"""

from __future__ import annotations

import random
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from genai_prices import Usage, types
from genai_prices.data_snapshot import get_snapshot

from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.pricing.seed.genai import SEEDED
from spendmeter_stream.pricing.seed.genai_names import names_of
from tests.support.pricing import Call, packaged_book, price_all

LISTED: Final = tomllib.loads((Path(__file__).parent / "disagreements.toml").read_text())["disagreement"]
CONTEXT: Final[dict[str, dict[str, str]]] = {
    "standard": {},
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}
TOKENS: Final = {
    "input_mtok": "input_tokens",
    "cache_read_mtok": "cache_read_tokens",
    "cache_write_mtok": "cache_write_5m_tokens",
    "cache_write_1h_mtok": "cache_write_1h_tokens",
    "output_mtok": "output_tokens",
}
NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Both(NamedTuple):
    """One call and its two prices."""

    model: types.ModelInfo
    call: Call
    ours: dict[str, Any]
    theirs: Decimal

    @property
    def name(self) -> str:
        return f"{self.call.provider}/{self.model.id}"

    def agrees(self) -> bool:
        """Return whether both agree to the pico-dollar, except for the rounding of at most five components."""
        priced = self.ours["pricing_status"] in ("priced", "free")
        return priced and abs(self.ours["cost"] - self.theirs) <= Decimal("2.5e-12")

    def reason(self) -> str | None:
        """Return the listed disagreement that explains this one, or None."""
        named = next((entry["id"] for entry in LISTED if self.name in entry.get("models", ())), None)
        if named is not None:
            return str(named)
        unpriced = self.ours["pricing_status"] == "unpriced"
        tiers = {
            tier for tier in CONTEXT if any(_selects(CONTEXT[tier], each) for each in self.model.price_variants or ())
        }
        at = datetime.fromisoformat(self.call.at)
        if self.call.tier != "standard" and self.call.tier not in tiers and unpriced:
            return "tier-without-rates"
        if self.call.tier in tiers and at < datetime(2026, 10, 26, tzinfo=UTC):
            return "tier-before-it-was-checked"
        if self.ours["unpriced_units"] and all(unit.startswith("cache") for unit in self.ours["unpriced_units"]):
            return "cache-without-a-rate"
        return None


def tiers_of(model: types.ModelInfo) -> set[str]:
    """Return the tiers other than standard for which the package has rates."""
    variants = model.price_variants or ()
    return {tier for tier in CONTEXT if any(_selects(CONTEXT[tier], each) for each in variants)}


def _selects(context: dict[str, str], variant: types.PriceVariant) -> bool:
    return all(context.get(key) == value for key, value in variant.when.items())


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return packaged_book()


@pytest.fixture(scope="module")
def models() -> dict[str, list[tuple[types.Provider, types.ModelInfo, str]]]:
    """Return every name of every model of the package, by provider."""
    found: dict[str, list[tuple[types.Provider, types.ModelInfo, str]]] = {}
    for provider in get_snapshot().providers:
        if provider.id in SEEDED:
            found[SEEDED[provider.id]] = list(_names(provider))
    return found


def _names(provider: types.Provider) -> Iterator[tuple[types.Provider, types.ModelInfo, str]]:
    for model in provider.models:
        for pattern in dict.fromkeys(names_of(model.match, [])):
            name = pattern.rstrip("*")
            if provider.find_model(name) is model:
                yield provider, model, name


def _price_both(book: PriceBook, calls: list[tuple[types.Provider, types.ModelInfo, Call]]) -> list[Both]:
    ours = price_all(book, [call for _, _, call in calls])
    return [
        Both(model, call, priced, _theirs(provider, model, call))
        for (provider, model, call), priced in zip(calls, ours, strict=True)
    ]


def _theirs(provider: types.Provider, model: types.ModelInfo, call: Call) -> Decimal:
    """Convert to the package's counts: input includes cache reads and writes, writes include one-hour writes."""
    usage = call.usage
    short, long = usage.get("cache_write_5m_tokens", 0), usage.get("cache_write_1h_tokens", 0)
    given = Usage(
        input_tokens=usage.get("input_tokens", 0) + usage.get("cache_read_tokens", 0) + short + long,
        cache_read_tokens=usage.get("cache_read_tokens", 0),
        cache_write_tokens=short + long,
        cache_write_1h_tokens=long,
        output_tokens=usage.get("output_tokens", 0),
    )
    at = datetime.fromisoformat(call.at)
    priced = model.calc_price(given, provider, genai_request_timestamp=at, price_context=CONTEXT[call.tier])
    return priced.total_price


def _random_call(
    source: random.Random, models: dict[str, list[tuple[types.Provider, types.ModelInfo, str]]]
) -> tuple[types.Provider, types.ModelInfo, Call]:
    """Return a call of a random model of a random provider, half of them in the last weeks, half since 2023."""
    ours = source.choice(sorted(models))
    provider, model, name = source.choice(models[ours])
    days = 27 if source.random() < 0.5 else 1_400
    at = NOW - timedelta(seconds=source.randrange(days * 86_400))
    served = sorted(tiers_of(model)) if source.random() < 0.9 else list(CONTEXT)
    tier = source.choice(["standard", *served])
    rates = vars(model.get_prices(at))
    most = source.choice((1, 5_000, 120_000, 400_000))
    usage = {
        unit: source.randint(0, most)
        for key, unit in TOKENS.items()
        if rates.get(key) is not None or (key == "cache_read_mtok" and source.random() < 0.02)
    }
    return provider, model, Call(ours, name, usage, at=at.isoformat(), tier=tier)


def test_5000_random_calls_agree_or_differ_for_a_listed_reason(
    book: PriceBook, models: dict[str, list[tuple[types.Provider, types.ModelInfo, str]]]
) -> None:
    source = random.Random(20261122)
    compared: list[Both] = []
    while len(compared) < 5_000:
        batch = _price_both(book, [_random_call(source, models) for _ in range(1_000)])
        # Calls for which only one side has a rate (audio, pages, models without a price) are not compared.
        compared += [both for both in batch if both.theirs or both.ours["cost"]]
    compared = compared[:5_000]

    reasons = Counter("agrees" if both.agrees() else both.reason() or _show(both) for both in compared)

    assert set(reasons) <= {"agrees", *(entry["id"] for entry in LISTED)}, reasons
    assert reasons["agrees"] >= 3_500, reasons


def _show(both: Both) -> str:
    cost, status = both.ours["cost"], both.ours["pricing_status"]
    return f"{both.name} {both.call}: {cost} {status} {both.ours['unpriced_units']}, theirs {both.theirs}"


def test_recent_calls_of_the_standard_tier_agree_on_every_model(
    book: PriceBook, models: dict[str, list[tuple[types.Provider, types.ModelInfo, str]]]
) -> None:
    calls = []
    for ours, known in models.items():
        for provider, model, name in known:
            rates = vars(model.get_prices(NOW))
            usage = {unit: 90_001 for key, unit in TOKENS.items() if key in rates}
            calls.append((provider, model, Call(ours, name, usage, at=(NOW - timedelta(hours=5)).isoformat())))

    compared = [both for both in _price_both(book, calls) if both.theirs]
    different = [both for both in compared if not both.agrees()]

    assert len(compared) > 2_000
    assert not [_show(both) for both in different if both.reason() is None]


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["id"])
def test_each_listed_disagreement_still_is_one(book: PriceBook, entry: dict[str, Any]) -> None:
    example = entry["example"]
    theirs = next(name for name, ours in SEEDED.items() if ours == example["provider"])
    provider = next(each for each in get_snapshot().providers if each.id == theirs)
    model = provider.find_model(example["model"], all_providers=get_snapshot().providers)
    assert model is not None
    tier = example.get("tier", "standard")
    call = Call(example["provider"], example["model"], example["usage"], at=example["at"].isoformat(), tier=tier)

    (both,) = _price_both(book, [(provider, model, call)])

    assert not both.agrees()
    assert both.reason() == entry["id"]
    assert entry["reason"].endswith(".")
    assert entry["page"].startswith("https://")
