"""From documents to rows: each rate of each model pattern is one dated row; each mistake is a fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from spendmeter_stream.pricing.documents import Block, Document
from spendmeter_stream.pricing.rows import FOREVER, Fault, Multiplier, PriceRow, Provider, Window, pico_rate
from spendmeter_stream.pricing.units import DENOMINATORS, QUALIFIERS, TIERS, TOKEN_UNITS, UNITS
from spendmeter_stream.pricing.values import BlockReader

_HEAD_KEYS: Final = ("provider", "name", "aliases", "resells", "strip", "tier_aliases")
_SHARED_KEYS: Final = ("models", "from", "to", "tiers", "regions", "org", "source", "verified_at", "note")
_PRICE_KEYS: Final = (
    *_SHARED_KEYS,
    *DENOMINATORS,
    "currency",
    "usd",
    "context_over",
    "context_from",
    "daily",
    "when",
    "unless_counted",
    "minimum",
    "step",
    "free",
    "characters_counted",
)
_MULTIPLIER_KEYS: Final = (*_SHARED_KEYS, "factor", "units")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CHARACTER_COUNTS: Final = ("raw", "without_whitespace", "ssml_included", "ssml_excluded")
"""How a provider counts the characters it bills: see docs/pricing.md."""


@dataclass(slots=True)
class Parsed:
    """What the documents say, and what is wrong with them."""

    providers: list[Provider] = field(default_factory=list)
    rows: list[PriceRow] = field(default_factory=list)
    multipliers: list[Multiplier] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def parse(documents: list[Document]) -> Parsed:
    """Every provider, row and multiplier of the documents. Faults are collected, never raised."""
    parsed = Parsed()
    for document in documents:
        provider = _provider(document.head, parsed)
        for block in document.prices:
            parsed.rows.extend(_price_rows(block, provider, document.layer, parsed.faults))
        for block in document.multipliers:
            parsed.multipliers.extend(_multipliers(block, provider, parsed.faults))
    return parsed


def _provider(head: Block, parsed: Parsed) -> str:
    reader = BlockReader(block=head, faults=parsed.faults)
    reader.only(_HEAD_KEYS)
    name = reader.text("provider")
    tier_aliases = reader.table("tier_aliases")
    for tier in tier_aliases.values():
        reader.one_of("tier_aliases", tier, TIERS, "tier")
    parsed.providers.append(
        Provider(
            name=name,
            aliases=reader.texts("aliases"),
            resells=reader.texts("resells"),
            strip=reader.texts("strip"),
            tier_aliases=tier_aliases,
            place=head.place("provider"),
        )
    )
    return name


@dataclass(frozen=True, slots=True)
class _Shared:
    models: tuple[str, ...]
    starts: int
    ends: int
    tiers: tuple[str, ...]
    regions: tuple[str, ...]
    org: str
    source: str
    verified_at: str


def _shared(reader: BlockReader, tiers: tuple[str, ...]) -> _Shared:
    starts, ends = reader.moment("from"), reader.moment("to", FOREVER)
    if ends <= starts:
        reader.fault("to", "'to' must be later than 'from'")
    named = reader.texts("tiers") or tiers
    for tier in named:
        reader.one_of("tiers", tier, TIERS, "tier")
    return _Shared(
        models=tuple(model.lower() for model in reader.texts("models", required=True)),
        starts=starts,
        ends=ends,
        tiers=named,
        regions=tuple(region.lower() for region in reader.texts("regions")),
        org=reader.text("org", ""),
        source=reader.text("source"),
        verified_at=reader.day("verified_at"),
    )


def _price_rows(block: Block, provider: str, layer: int, faults: list[Fault]) -> Iterator[PriceRow]:
    reader = BlockReader(block=block, faults=faults)
    reader.only(_PRICE_KEYS)
    free = reader.flag("free")
    shared = _shared(reader, TIERS if free else ("standard",))
    rates = _free_rates(reader) if free else _rates(reader)
    characters = reader.text("characters_counted", "raw")
    reader.one_of("characters_counted", characters, CHARACTER_COUNTS, "way to count characters")
    window, when, min_context = _window(reader), _when(reader), _min_context(reader)
    minimum, step, unless = reader.count("minimum"), reader.count("step"), _unless(reader)
    note = reader.text("note", "")
    for pattern in shared.models:
        for unit, pico in rates.items():
            scale = 1_000 if unit == "audio_seconds" else 1
            yield PriceRow(
                provider=provider,
                pattern=pattern,
                unit=unit,
                pico=pico,
                starts=shared.starts,
                ends=shared.ends,
                tiers=shared.tiers,
                regions=shared.regions,
                org=shared.org,
                min_context=min_context,
                window=window,
                when=when,
                unless=unless,
                minimum=minimum * scale,
                step=max(step * scale, 1),
                free=free,
                layer=layer,
                source=shared.source,
                verified_at=shared.verified_at,
                note=note,
                place=block.place(),
            )


def _free_rates(reader: BlockReader) -> dict[str, Fraction]:
    for table in DENOMINATORS:
        if table in reader.block.data:
            reader.fault(table, "a free price has no rates")
    return dict.fromkeys(UNITS, Fraction(0))


def _rates(reader: BlockReader) -> dict[str, Fraction]:
    rates: dict[str, Fraction] = {}
    exchange = _exchange(reader)
    for table, per in DENOMINATORS.items():
        for unit, value in reader.table(table).items():
            rate = reader.number(table, value)
            if unit not in UNITS:
                reader.one_of(table, unit, UNITS, "unit")
            elif unit in rates:
                reader.fault(table, f"{unit!r} has two rates")
            elif per in (60, 3_600) and unit != "audio_seconds":
                reader.fault(table, f"{table!r} prices audio_seconds, not {unit!r}")
            else:
                rates[unit] = pico_rate(rate * exchange, per, unit)
    if not rates:
        reader.fault("", f"a price needs a rate in one of {', '.join(DENOMINATORS)}, or free = true")
    return rates


def _exchange(reader: BlockReader) -> Fraction:
    currency = reader.text("currency", "USD")
    if currency == "USD":
        return Fraction(1)
    if "usd" not in reader.block.data:
        reader.fault("currency", f"the ledger is in USD: give 'usd', the dollars for one {currency}")
        return Fraction(1)
    return reader.number("usd", reader.block.data["usd"])


def _min_context(reader: BlockReader) -> int:
    over, least = reader.count("context_over"), reader.count("context_from")
    if over and least:
        reader.fault("context_from", "give context_over (exclusive) or context_from (inclusive), not both")
    return over + 1 if over else least


def _unless(reader: BlockReader) -> frozenset[str]:
    return frozenset(
        reader.one_of("unless_counted", unit, UNITS, "unit") for unit in reader.texts("unless_counted")
    )


def _when(reader: BlockReader) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for tag, value in reader.table("when").items():
        reader.one_of("when", tag, QUALIFIERS, "tag")
        if not isinstance(value, str):
            reader.fault("when", f"the value of {tag!r} must be a text")
            continue
        pairs.append((tag, value.lower()))
    return tuple(sorted(pairs))


def _window(reader: BlockReader) -> Window | None:
    if "daily" not in reader.block.data:
        return None
    daily: dict[str, Any] = dict(reader.table("daily"))
    for key in daily:
        reader.one_of("daily", key, ("from", "to", "days"), "key")
    start, end = reader.minute("daily", daily.get("from")), reader.minute("daily", daily.get("to"))
    if start >= end:
        reader.fault(
            "daily", "a daily window ends later on the same UTC day; write two prices to cross midnight"
        )
    days = daily.get("days", list(_DAYS))
    if not isinstance(days, list):
        reader.fault("daily", "'days' must be a list of texts")
        days = []
    for day in days:
        reader.one_of("daily", str(day), _DAYS, "day")
    return Window(start, end, frozenset(index for index, day in enumerate(_DAYS) if day in days))


def _multipliers(block: Block, provider: str, faults: list[Fault]) -> Iterator[Multiplier]:
    reader = BlockReader(block=block, faults=faults)
    reader.only(_MULTIPLIER_KEYS)
    shared = _shared(reader, TIERS)
    units = reader.texts("units")
    for unit in units:
        reader.one_of("units", unit, (*UNITS, "tokens"), "unit")
    named = {member for unit in units for member in (TOKEN_UNITS if unit == "tokens" else (unit,))}
    if not shared.regions and not shared.org:
        reader.fault("", "a multiplier is for some regions or for one org")
    factor = reader.number("factor", block.data.get("factor"))
    for pattern in shared.models:
        yield Multiplier(
            provider=provider,
            pattern=pattern,
            factor=factor,
            units=frozenset(named or UNITS),
            starts=shared.starts,
            ends=shared.ends,
            regions=shared.regions,
            tiers=shared.tiers,
            org=shared.org,
            source=shared.source,
            verified_at=shared.verified_at,
            place=block.place(),
        )
