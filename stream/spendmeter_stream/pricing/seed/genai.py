"""Convert the prices of the PyPI package `genai-prices` (MIT) to dated prices of this book, for seed and `diff`.

Units that `UsageEvent` does not count (video tokens, pages, fees per request) have no equivalent. Rates that would be
wrong without them are left out and reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

from genai_prices import types
from genai_prices.data_snapshot import get_snapshot

from spendmeter_stream.pricing.seed.genai_names import names_of

SEEDED: Final = {
    "anthropic": "anthropic",
    "aws": "bedrock",
    "azure": "azure",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "elevenlabs": "elevenlabs",
    "fireworks": "fireworks",
    "google": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshotai": "moonshotai",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "voyageai": "voyageai",
    "x-ai": "xai",
    "zai": "zai",
}
"""The package's name of each seeded provider, and the book's name."""

_RATES: Final = {
    "input_mtok": ("per_million", "input_tokens"),
    "cache_read_mtok": ("per_million", "cache_read_tokens"),
    "cache_write_mtok": ("per_million", "cache_write_5m_tokens"),
    "cache_write_5m_mtok": ("per_million", "cache_write_5m_tokens"),
    "cache_write_1h_mtok": ("per_million", "cache_write_1h_tokens"),
    "output_mtok": ("per_million", "output_tokens"),
    "input_audio_mtok": ("per_million", "input_audio_tokens"),
    "cache_audio_read_mtok": ("per_million", "cache_read_audio_tokens"),
    "output_audio_mtok": ("per_million", "output_audio_tokens"),
    "input_image_mtok": ("per_million", "input_image_tokens"),
    "cache_image_read_mtok": ("per_million", "cache_read_image_tokens"),
    "output_image_mtok": ("per_million", "output_image_tokens"),
    "input_mchars": ("per_million", "characters"),
    "audio_hours": ("per_hour", "audio_seconds"),
    "input_audio_hours": ("per_hour", "audio_seconds"),
    "web_searches_kcount": ("tools_per_thousand", "web_search"),
    "storage_searches_kcount": ("tools_per_thousand", "file_search"),
}
_WITHHOLDS: Final = {
    "output_video_mtok": "output_tokens",
    "output_reasoning_mtok": "output_tokens",
    "output_citation_mtok": "output_tokens",
    "requests_kcount": "everything",
}
"""Prices without a unit in events, and the unit whose rate would be wrong without them."""
_TOLERATED: Final = ("input_video_mtok",)
"""Prices of tokens counted in `input_tokens`. The extractors mark calls of models with such a price as unread."""

_TIERS: Final = {
    ("processing", "batch"): "batch",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
}
_REGIONS: Final = {("route", "mistral/eu"): "eu"}

Rates = tuple[tuple[str, str, Decimal], ...]
"""(rate table, unit or tool, USD), sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSeries:
    """Key of a price series: models, tier, region, context threshold and daily window."""

    models: tuple[str, ...]
    tier: str = "standard"
    region: str = ""
    context_over: int = 0
    window: tuple[time, time] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """Rates of a series from one day (None: from the beginning) to another, midnight UTC."""

    starts: date | None
    ends: date | None
    rates: Rates
    """Empty if the model is free."""
    source: str = field(default="", compare=False)
    """Source of a price that the package no longer has; empty for one that it has."""
    verified_at: date | None = field(default=None, compare=False)


@dataclass(slots=True)
class Seed:
    """The prices of one provider, and the models or prices that were skipped."""

    provider: str
    prices: dict[PriceSeries, list[Dated]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """Model to the reason why it or a part of its prices was skipped."""


def read_seed(provider: str) -> Seed:
    """Return all prices of the installed package for one provider of `SEEDED`, by the book's name."""
    package_id = next(name for name, ours in SEEDED.items() if ours == provider)
    found = next(each for each in get_snapshot().providers if each.id == package_id)
    seed = Seed(provider=provider)
    taken: set[str] = set()
    for model in found.models:
        unknown: list[str] = []
        # The package takes the first match, the book the exact name, so a name belongs to the first model that has it.
        names = tuple(name for name in dict.fromkeys(names_of(model.match, unknown)) if name not in taken)
        taken.update(names)
        if unknown:
            seed.skipped[model.id] = f"no name or prefix: {', '.join(unknown)}"
        if names and (_timeline(model.prices)[-1][1] != types.ModelPrice() or _is_free(model, names)):
            _add_model(seed, model, names)
        elif names:
            seed.skipped[model.id] = "no price, and not marked as free"
    return seed


def data_date(today: date) -> date:
    """Return the newest day up to `today` in the package's notes; the package itself has no date."""
    notes = (str(text) for each in get_snapshot().providers for text in _notes(each))
    days = {date.fromisoformat(day) for note in notes for day in _DAY.findall(note)}
    return max(day for day in days if day <= today)


def _notes(provider: types.Provider) -> list[str | None]:
    return [provider.price_comments, *(model.price_comments for model in provider.models)]


_DAY: Final = re.compile(r"\b20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b")


def _is_free(model: types.ModelInfo, names: tuple[str, ...]) -> bool:
    """Return whether an empty price means free rather than unknown."""
    return names[0].endswith(":free") or "free of charge" in (model.price_comments or "").lower()


def _add_model(seed: Seed, model: types.ModelInfo, names: tuple[str, ...]) -> None:
    standard = _timeline(model.prices)
    windows = _windows(model.prices)
    for starts, price in standard:
        _add(seed, PriceSeries(models=names), starts, _plain(price), model.id)
    for window, price in windows:
        start = standard[-1][0]
        _add(seed, PriceSeries(models=names, window=window), start, _plain(price), model.id)
    for tier, region in dict.fromkeys(_selected(variant.when) for variant in model.price_variants or ()):
        if tier or region:
            series = PriceSeries(models=names, tier=tier or "standard", region=region)
            for starts, merged in _variant(model, standard, tier, region):
                _add(seed, series, starts, merged, model.id)


def _selected(when: Mapping[str, str]) -> tuple[str, str]:
    """Return the tier and the region of a variant; both empty if the book cannot select it."""
    pairs = list(when.items())
    tiers = [_TIERS[pair] for pair in pairs if pair in _TIERS]
    regions = [_REGIONS[pair] for pair in pairs if pair in _REGIONS]
    known = len(tiers) + len(regions) == len(pairs)
    return (tiers[0] if tiers and known else "", regions[0] if regions and known else "")


Prices = Mapping[str, Any]


def _plain(price: types.ModelPrice) -> Prices:
    return {key: value for key, value in vars(price).items() if value is not None}


def _timeline(prices: Any) -> list[tuple[date | None, types.ModelPrice]]:
    """Return dated prices, oldest first. The first one applies from the beginning: the package has no older one."""
    if isinstance(prices, types.ModelPrice):
        return [(None, prices)]
    dated = [(_start(each.constraint), each.prices) for each in prices if not _is_daily(each.constraint)]
    return [(None, dated[0][1]), *dated[1:]]


def _start(constraint: Any) -> date | None:
    return constraint.start_date if isinstance(constraint, types.StartDateConstraint) else None


def _is_daily(constraint: Any) -> bool:
    return isinstance(constraint, types.TimeOfDateConstraint)


def _windows(prices: Any) -> list[tuple[tuple[time, time], types.ModelPrice]]:
    if isinstance(prices, types.ModelPrice):
        return []
    return [
        ((_utc(each.constraint.start_time), _utc(each.constraint.end_time)), each.prices)
        for each in prices
        if _is_daily(each.constraint)
    ]


def _utc(at: time) -> time:
    """Drop the zone: the package's times of day are UTC, some aware and some naive."""
    return at.replace(tzinfo=None)


def _variant(
    model: types.ModelInfo, standard: list[tuple[date | None, types.ModelPrice]], tier: str, region: str
) -> list[tuple[date | None, Prices]]:
    """Return a tier's complete price lists by time: its own rates, and the standard rates of other units.

    The package dates tier rates by when they were checked. The oldest are applied back to the last change of the
    standard price before that day; earlier tier prices are unknown and stay unpriced.
    """
    variants = sorted(
        (each for each in model.price_variants or () if _selected(each.when) == (tier, region)),
        key=lambda each: _day(_start(each.constraint)),
    )
    checked = _day(_start(variants[0].constraint))
    first = max((start for start, _ in standard if _day(start) <= checked), key=_day)
    starts = {first, *(start for start, _ in standard if _day(start) > checked)}
    starts |= {_start(each.constraint) for each in variants[1:]}
    found: list[tuple[date | None, Prices]] = []
    for begin in sorted(starts, key=_day):
        base = [price for start, price in standard if _day(start) <= _day(begin)][-1]
        own = [each for each in variants[1:] if _day(_start(each.constraint)) <= _day(begin)]
        override = own[-1] if own else variants[0]
        found.append((begin, {**_plain(base), **_plain(override.prices)}))
    return found


def _day(start: date | None) -> date:
    return start or date.min


def _add(seed: Seed, series: PriceSeries, starts: date | None, prices: Prices, model: str) -> None:
    """Add a dated price list as one series per context threshold."""
    withheld = {_WITHHOLDS[key] for key in prices if key in _WITHHOLDS}
    for key in prices:
        if key not in _RATES and key not in _TOLERATED:
            seed.skipped[model] = f"{key} has no unit in events" + (
                f"; without {', '.join(withheld)}" if withheld else ""
            )
    thresholds = {tier.start for value in prices.values() for tier in _tiers(value)}
    for threshold in (0, *sorted(thresholds)):
        rates = _rates(prices, threshold, withheld)
        if rates or not prices:
            at_threshold = replace(series, context_over=threshold)
            _append(seed.prices.setdefault(at_threshold, []), starts, rates)
    _close_absent(seed, series, thresholds, starts)


def _tiers(value: Any) -> list[types.Tier]:
    return value.tiers if isinstance(value, types.TieredPrices) else []


def _rates(prices: Prices, threshold: int, withheld: set[str]) -> Rates:
    if "everything" in withheld:
        return ()
    found: dict[tuple[str, str], Decimal] = {}
    for key, value in prices.items():
        table, unit = _RATES.get(key, ("", ""))
        base = value.base if isinstance(value, types.TieredPrices) else value
        rate = base if threshold == 0 else next((t.price for t in _tiers(value) if t.start == threshold), None)
        if table and rate is not None and unit not in withheld:
            found[table, unit] = rate
    return tuple(sorted((table, unit, rate) for (table, unit), rate in found.items()))


def _append(series: list[Dated], starts: date | None, rates: Rates) -> None:
    if series and series[-1].ends is None:
        if series[-1].rates == rates:
            return
        series[-1] = Dated(starts=series[-1].starts, ends=starts, rates=series[-1].rates)
    series.append(Dated(starts=starts, ends=None, rates=rates))


def _close_absent(seed: Seed, series: PriceSeries, thresholds: set[int], starts: date | None) -> None:
    """End the rates of thresholds that the new price list no longer has."""
    scope = attrgetter("models", "tier", "region", "window")
    for other, dated in seed.prices.items():
        gone = other.context_over not in {0, *thresholds}
        if scope(other) == scope(series) and gone and dated[-1].ends is None:
            dated[-1] = Dated(starts=dated[-1].starts, ends=starts, rates=dated[-1].rates)
