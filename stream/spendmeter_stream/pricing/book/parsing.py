"""Parse documents to rows: one dated row per rate and model pattern. Errors are collected as faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from spendmeter_stream.pricing.book.documents import Block, Document
from spendmeter_stream.pricing.book.field_values import BlockReader
from spendmeter_stream.pricing.book.rates import RATE_KEYS, rates_of
from spendmeter_stream.pricing.book.rows import (
    FOREVER,
    PLAIN,
    Alias,
    BookFault,
    Charging,
    DailyWindow,
    Multiplier,
    Price,
    Provider,
    Terms,
)
from spendmeter_stream.pricing.book.units import TIERS, TOKEN_UNITS, UNITS

HEAD_KEYS: Final = (
    "provider", "name", "aliases", "resells", "shares", "strip", "endings", "places", "regional", "tier_aliases",
)  # fmt: skip
_SHARED_KEYS: Final = ("models", "from", "to", "tiers", "regions", "org", "source", "verified_at", "note")
PRICE_KEYS: Final = frozenset(
    (
        *_SHARED_KEYS,
        *RATE_KEYS,
        "context_over",
        "context_from",
        "daily",
        "unless_counted",
        "minimum",
        "step",
        "characters_counted",
        "lower_bound",
    )
)
MULTIPLIER_KEYS: Final = (*_SHARED_KEYS, "factor", "units")
_ALIAS_KEYS: Final = ("models", "serves", "from", "to", "source", "verified_at", "note")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CHARACTER_COUNTS: Final = ("raw", "without_whitespace", "ssml_included", "markup_excluded")
"""Ways in which providers count billed characters; see docs/pricing.md."""


@dataclass(slots=True)
class Parsed:
    """Rows and faults of the documents."""

    providers: list[Provider] = field(default_factory=list)
    prices: list[Price] = field(default_factory=list)
    multipliers: list[Multiplier] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    faults: list[BookFault] = field(default_factory=list)

    def on_top_of(self, below: Parsed) -> Parsed:
        """Return the union of both."""
        return Parsed(
            providers=[*below.providers, *self.providers],
            prices=[*below.prices, *self.prices],
            multipliers=[*below.multipliers, *self.multipliers],
            aliases=[*below.aliases, *self.aliases],
        )


def parse(documents: list[Document]) -> Parsed:
    """Return every provider, price, multiplier and alias of the documents. Faults are collected, never raised."""
    parsed = Parsed()
    for document in documents:
        provider = _provider(document.head, parsed)
        for block in document.prices:
            parsed.prices.append(_price(block, provider, document, parsed.faults))
        for block in document.multipliers:
            parsed.multipliers.append(_multiplier(block, provider, document, parsed.faults))
        for block in document.aliases:
            parsed.aliases.append(_alias(block, provider, document, parsed.faults))
    return parsed


def _provider(head: Block, parsed: Parsed) -> str:
    reader = BlockReader(block=head, faults=parsed.faults)
    reader.only(HEAD_KEYS)
    name = reader.text("provider")
    tier_aliases = reader.table("tier_aliases")
    for tier in tier_aliases.values():
        reader.one_of("tier_aliases", tier, TIERS, "tier")
    parsed.providers.append(
        Provider(
            name=name,
            aliases=reader.texts("aliases"),
            resells=reader.texts("resells"),
            shares=reader.texts("shares"),
            strip=reader.texts("strip"),
            endings=reader.texts("endings"),
            places=_places(reader),
            regional=reader.flag("regional"),
            tier_aliases=tier_aliases,
            place=head.place("provider"),
        )
    )
    return name


def _places(reader: BlockReader) -> dict[str, str]:
    places = reader.table("places")
    if not all(isinstance(place, str) for place in places.values()):
        reader.fault("places", "'places' must map a prefix to a region")
        return {}
    return {prefix.lower(): place.lower() for prefix, place in places.items()}


def _terms(reader: BlockReader, provider: str, layer: int, tiers: tuple[str, ...]) -> Terms:
    starts, ends = reader.timestamp("from"), reader.timestamp("to", FOREVER)
    if ends <= starts:
        reader.fault("to", "'to' must be later than 'from'")
    named = reader.texts("tiers") or tiers
    for tier in named:
        reader.one_of("tiers", tier, TIERS, "tier")
    return Terms(
        provider=provider,
        starts=starts,
        ends=ends,
        tiers=named,
        regions=tuple(region.lower() for region in reader.texts("regions")),
        org=reader.text("org", ""),
        source=reader.text("source"),
        verified_at=reader.day("verified_at"),
        note=reader.text("note", ""),
        layer=layer,
        place=reader.block.place(),
    )


def _models(reader: BlockReader) -> tuple[str, ...]:
    return tuple(model.lower() for model in reader.texts("models", required=True))


def _price(block: Block, provider: str, document: Document, faults: list[BookFault]) -> Price:
    reader = BlockReader(block=block, faults=faults)
    reader.only(PRICE_KEYS)
    free, rates = rates_of(reader)
    characters = reader.text("characters_counted", "raw")
    reader.one_of("characters_counted", characters, CHARACTER_COUNTS, "way to count characters")
    return Price(
        terms=_terms(reader, provider, document.layer, TIERS if free else ("standard",)),
        patterns=_models(reader),
        rates=rates,
        min_context=_min_context(reader),
        window=_window(reader),
        charging=_charging(reader),
        characters_counted=characters,
        free=free,
        lower_bound=reader.flag("lower_bound"),
    )


def _min_context(reader: BlockReader) -> int:
    if not reader.has("context_over", "context_from"):
        return 0
    over, least = reader.count("context_over"), reader.count("context_from")
    if over and least:
        reader.fault("context_from", "give context_over (exclusive) or context_from (inclusive), not both")
    return over + 1 if over else least


def _charging(reader: BlockReader) -> Charging:
    if not reader.has("unless_counted", "minimum", "step"):
        return PLAIN
    units = [reader.one_of("unless_counted", unit, UNITS, "unit") for unit in reader.texts("unless_counted")]
    return Charging(
        minimum=reader.count("minimum"),
        step=reader.count("step"),
        unless=frozenset(units).intersection(UNITS),
    )


def _window(reader: BlockReader) -> DailyWindow | None:
    if not reader.has("daily"):
        return None
    daily: dict[str, Any] = dict(reader.table("daily"))
    for key in daily:
        reader.one_of("daily", key, ("from", "to", "days"), "key")
    start, end = reader.minute("daily", daily.get("from")), reader.minute("daily", daily.get("to"))
    if start >= end:
        reader.fault("daily", "a daily window must end later on the same UTC day; write two prices to cross midnight")
    days = daily.get("days", list(_DAYS))
    if not isinstance(days, list):
        reader.fault("daily", "'days' must be a list of strings")
        days = []
    for day in days:
        reader.one_of("daily", str(day), _DAYS, "day")
    return DailyWindow(start, end, frozenset(index for index, day in enumerate(_DAYS) if day in days))


def _multiplier(block: Block, provider: str, document: Document, faults: list[BookFault]) -> Multiplier:
    reader = BlockReader(block=block, faults=faults)
    reader.only(MULTIPLIER_KEYS)
    terms = _terms(reader, provider, document.layer, TIERS)
    units = reader.texts("units")
    for unit in units:
        reader.one_of("units", unit, (*UNITS, "tokens"), "unit")
    named = {member for unit in units for member in (TOKEN_UNITS if unit == "tokens" else (unit,))}
    if not terms.regions and not terms.org:
        reader.fault("", "a multiplier needs regions or an org")
    factor = reader.number("factor", block.data.get("factor"))
    return Multiplier(terms=terms, patterns=_models(reader), factor=factor, units=frozenset(named or UNITS))


def _alias(block: Block, provider: str, document: Document, faults: list[BookFault]) -> Alias:
    reader = BlockReader(block=block, faults=faults)
    reader.only(_ALIAS_KEYS)
    terms = _terms(reader, provider, document.layer, TIERS)
    return Alias(terms=terms, patterns=_models(reader), serves=reader.text("serves").lower())
