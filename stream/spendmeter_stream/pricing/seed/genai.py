"""What the PyPI package `genai-prices` says, as dated prices of this book: the seed, and the other side of `diff`.

Its prices are plain data under MIT licence. Units that `UsageEvent` does not count (image, video and cached
audio tokens, pages, fees per request) cannot be taken over; what they would distort is left out and reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
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
"""The package's name of each provider whose prices are taken over, and the book's own."""

_RATES: Final = {
    "input_mtok": ("per_million", "input_tokens"),
    "cache_read_mtok": ("per_million", "cache_read_tokens"),
    "cache_write_mtok": ("per_million", "cache_write_5m_tokens"),
    "cache_write_5m_mtok": ("per_million", "cache_write_5m_tokens"),
    "cache_write_1h_mtok": ("per_million", "cache_write_1h_tokens"),
    "output_mtok": ("per_million", "output_tokens"),
    "input_audio_mtok": ("per_million", "input_audio_tokens"),
    "output_audio_mtok": ("per_million", "output_audio_tokens"),
    "input_mchars": ("per_million", "characters"),
    "audio_hours": ("per_hour", "audio_seconds"),
    "input_audio_hours": ("per_hour", "audio_seconds"),
    "web_searches_kcount": ("tools_per_thousand", "web_search"),
    "storage_searches_kcount": ("tools_per_thousand", "file_search"),
}
_WITHHOLDS: Final = {
    "output_image_mtok": "output_tokens",
    "output_video_mtok": "output_tokens",
    "output_reasoning_mtok": "output_tokens",
    "output_citation_mtok": "output_tokens",
    "requests_kcount": "everything",
}
"""Prices that cannot be told from an event, and the unit whose rate alone would then be wrong."""
_TOLERATED: Final = ("cache_audio_read_mtok", "cache_image_read_mtok", "input_image_mtok", "input_video_mtok")
"""Prices for tokens that stand in `input_tokens` or `cache_read_tokens`, where the text rate is the best guess."""

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
class Series:
    """What distinguishes the prices of one model that hold at the same time."""

    models: tuple[str, ...]
    tier: str = "standard"
    region: str = ""
    context_over: int = 0
    window: tuple[time, time] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """The rates of a series from a day (None: from the beginning) until another, midnight UTC."""

    starts: date | None
    ends: date | None
    rates: Rates
    """Empty: the model is free."""
    source: str = field(default="", compare=False)
    """Where a price came from that the package no longer confirms; empty for one that it does."""
    verified_at: date | None = field(default=None, compare=False)


@dataclass(slots=True)
class Seed:
    """The prices of one provider, and what could not be taken over."""

    provider: str
    prices: dict[Series, list[Dated]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """Model, and why it or a part of its prices was left out."""


def read_seed(provider: str) -> Seed:
    """Everything the installed package knows about one of `SEEDED`'s providers, by the book's name."""
    theirs = next(name for name, ours in SEEDED.items() if ours == provider)
    found = next(each for each in get_snapshot().providers if each.id == theirs)
    seed = Seed(provider=provider)
    taken: set[str] = set()
    for model in found.models:
        unknown: list[str] = []
        # Their first match wins; ours is the exact name, so a name belongs to the first model that has it.
        names = tuple(name for name in dict.fromkeys(names_of(model.match, unknown)) if name not in taken)
        taken.update(names)
        if unknown:
            seed.skipped[model.id] = f"no name or prefix: {', '.join(unknown)}"
        if names and (_timeline(model.prices)[-1][1] != types.ModelPrice() or _is_free(model, names)):
            _add_model(seed, model, names)
        elif names:
            seed.skipped[model.id] = "no price, and nothing says that it is free"
    return seed


def data_date(today: date) -> date:
    """The newest day, until today, that the package's own notes mention: it carries no date of its own."""
    notes = (str(text) for each in get_snapshot().providers for text in _notes(each))
    days = {date.fromisoformat(day) for note in notes for day in _DAY.findall(note)}
    return max(day for day in days if day <= today)


def _notes(provider: types.Provider) -> list[str | None]:
    return [provider.price_comments, *(model.price_comments for model in provider.models)]


_DAY: Final = re.compile(r"\b20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b")


def _is_free(model: types.ModelInfo, names: tuple[str, ...]) -> bool:
    """An empty price means free or unknown; only the first is a price."""
    return names[0].endswith(":free") or "free of charge" in (model.price_comments or "").lower()


def _add_model(seed: Seed, model: types.ModelInfo, names: tuple[str, ...]) -> None:
    standard = _timeline(model.prices)
    windows = _windows(model.prices)
    for starts, price in standard:
        _add(seed, Series(models=names), starts, _plain(price), model.id)
    for window, price in windows:
        start = standard[-1][0]
        _add(seed, Series(models=names, window=window), start, _plain(price), model.id)
    for tier, region in dict.fromkeys(_selected(variant.when) for variant in model.price_variants or ()):
        if tier or region:
            series = Series(models=names, tier=tier or "standard", region=region)
            for starts, merged in _variant(model, standard, tier, region):
                _add(seed, series, starts, merged, model.id)


def _selected(when: Mapping[str, str]) -> tuple[str, str]:
    """The tier and the region that a variant is for; both empty for one that the book cannot select."""
    pairs = list(when.items())
    tiers = [_TIERS[pair] for pair in pairs if pair in _TIERS]
    regions = [_REGIONS[pair] for pair in pairs if pair in _REGIONS]
    known = len(tiers) + len(regions) == len(pairs)
    return (tiers[0] if tiers and known else "", regions[0] if regions and known else "")


Prices = Mapping[str, Any]


def _plain(price: types.ModelPrice) -> Prices:
    return {key: value for key, value in vars(price).items() if value is not None}


def _timeline(prices: Any) -> list[tuple[date | None, types.ModelPrice]]:
    """Dated prices, oldest first. The first one holds since the beginning: the package knows no older."""
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


def _utc(moment: time) -> time:
    """The package's times of day are UTC, some with a zone and some without."""
    return moment.replace(tzinfo=None)


def _variant(
    model: types.ModelInfo, standard: list[tuple[date | None, types.ModelPrice]], tier: str, region: str
) -> list[tuple[date | None, Prices]]:
    """A tier's whole price list by time: its own rates, and the standard one for units it does not mention.

    The package dates a tier by when it was checked. Its oldest rates are taken to hold as far back as the standard
    price has not changed since; what the tier cost before that is not known, and stays without a price.
    """
    variants = sorted(
        (each for each in model.price_variants or () if _selected(each.when) == (tier, region)),
        key=lambda each: _day(_start(each.constraint)),
    )
    checked = _day(_start(variants[0].constraint))
    first = max((start for start, _ in standard if _day(start) <= checked), key=_day)
    moments = {first, *(start for start, _ in standard if _day(start) > checked)}
    moments |= {_start(each.constraint) for each in variants[1:]}
    found: list[tuple[date | None, Prices]] = []
    for moment in sorted(moments, key=_day):
        base = [price for start, price in standard if _day(start) <= _day(moment)][-1]
        own = [each for each in variants[1:] if _day(_start(each.constraint)) <= _day(moment)]
        override = own[-1] if own else variants[0]
        found.append((moment, {**_plain(base), **_plain(override.prices)}))
    return found


def _day(start: date | None) -> date:
    return start or date.min


def _add(seed: Seed, series: Series, starts: date | None, prices: Prices, model: str) -> None:
    """One dated price list, as one series for each context threshold."""
    withheld = {_WITHHOLDS[key] for key in prices if key in _WITHHOLDS}
    for key in prices:
        if key not in _RATES and key not in _TOLERATED:
            seed.skipped[model] = f"{key} has no unit here" + (f"; without {', '.join(withheld)}" if withheld else "")
    thresholds = {tier.start for value in prices.values() for tier in _tiers(value)}
    for threshold in (0, *sorted(thresholds)):
        rates = _rates(prices, threshold, withheld)
        if rates or not prices:
            here = Series(
                models=series.models,
                tier=series.tier,
                region=series.region,
                context_over=threshold,
                window=series.window,
            )
            _append(seed.prices.setdefault(here, []), starts, rates)
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


def _close_absent(seed: Seed, series: Series, thresholds: set[int], starts: date | None) -> None:
    """A price list without a threshold that the one before it had ends that threshold's rates."""
    for other, dated in seed.prices.items():
        same = (other.models, other.tier, other.region, other.window) == (
            series.models,
            series.tier,
            series.region,
            series.window,
        )
        gone = other.context_over not in {0, *thresholds}
        if same and gone and dated[-1].ends is None:
            dated[-1] = Dated(starts=dated[-1].starts, ends=starts, rates=dated[-1].rates)
