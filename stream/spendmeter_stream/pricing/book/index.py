"""The rows of a book by provider, by whom they are for, and by model pattern."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from spendmeter_stream.pricing.book.names import Patterns, provider_key, spellings
from spendmeter_stream.pricing.book.parsing import Parsed
from spendmeter_stream.pricing.book.resolve import Candidates
from spendmeter_stream.pricing.book.rows import Multiplier, Price, PriceRow, Provider, Terms


class CallKind(NamedTuple):
    """What decides a call's rates, besides its time and its prompt length. All as the event spells them."""

    provider: str
    model: str
    tier: str
    region: str
    org: str = ""
    qualifiers: tuple[tuple[str, str], ...] = ()


class Index:
    """Finds the rows and factors that can hold for one kind of call."""

    def __init__(self, *, providers: Mapping[str, Provider]) -> None:
        self._providers = providers
        named = [(name, each.name) for each in providers.values() for name in (each.name, *each.aliases)]
        self._names = {provider_key(name): provider for name, provider in named}
        self._gateway_prefixes = {f"{name}/" for name, _ in named}
        self._prices: dict[tuple[str, str], Patterns[Price]] = {}
        self._multipliers: dict[str, dict[tuple[str, bool], Patterns[Multiplier]]] = {}

    @classmethod
    def of(cls, parsed: Parsed) -> Self:
        index = cls(providers=merged(parsed.providers))
        for price in parsed.prices:
            scope = price.terms.provider, price.terms.org
            index._prices.setdefault(scope, Patterns()).add(price.patterns, price)
        for each in parsed.multipliers:
            kinds = index._multipliers.setdefault(each.terms.provider, {})
            kinds.setdefault((each.terms.org, bool(each.terms.regions)), Patterns()).add(each.patterns, each)
        return index

    def provider(self, name: str) -> str | None:
        """The book's own name for a provider as an event spells it, or None."""
        return self._names.get(provider_key(name))

    def candidates(self, provider: str, kind: CallKind) -> Candidates:
        """The rows and multipliers that can hold for this kind of call at some time."""
        header = self._providers[provider]
        names = spellings(kind.model, {*header.strip, *self._gateway_prefixes})
        prices = self._prices_of(provider, "", names) or self._resold_prices(header, names)
        if kind.org:
            prices = [*prices, *self._prices_of(provider, kind.org, names)]
        tier, region = _tier(header, kind.tier), kind.region.strip().lower()
        multipliers = self._multipliers_of(provider, kind.org, names)
        return Candidates(
            rows=[PriceRow(each, rate) for each in prices if _reaches(each.terms, tier, region) for rate in each.rates],
            multipliers=[each for each in multipliers if _reaches(each.terms, tier, region)],
            qualifiers=kind.qualifiers,
        )

    def _prices_of(self, provider: str, org: str, names: list[str]) -> list[Price]:
        """The prices of the nearest pattern, from every layer that has it.

        One pattern for all layers: a hand-checked `gpt-4o` must not replace the seed's `gpt-4o-2024-05-13`.
        """
        patterns = self._prices.get((provider, org))
        return patterns.nearest(names) if patterns else []

    def _resold_prices(self, header: Provider, names: list[str]) -> list[Price]:
        """Only the maker's standard list price carries over: its tiers and regions are its own."""
        for maker in header.resells:
            if prices := self._prices_of(maker, "", names):
                return [each for each in prices if "standard" in each.terms.tiers and not each.terms.regions]
        return []

    def _multipliers_of(self, provider: str, org: str, names: list[str]) -> list[Multiplier]:
        """Of each kind (a region's, an org's) those with the nearest pattern: they do not pile up."""
        kinds = self._multipliers.get(provider, {})
        mine = [patterns for (owner, _), patterns in kinds.items() if owner in ("", org)]
        return [each for patterns in mine for each in patterns.nearest(names)]


def _tier(header: Provider, tier: str) -> str:
    name = tier.strip().lower() or "standard"
    return header.tier_aliases.get(name, name)


def _reaches(terms: Terms, tier: str, region: str) -> bool:
    return tier in terms.tiers and (not terms.regions or region in terms.regions)


def merged(providers: Iterable[Provider]) -> dict[str, Provider]:
    """One header for each provider, though its seed and its reviewed file both have one."""
    found: dict[str, Provider] = {}
    for provider in providers:
        other = found.get(provider.name, provider)
        found[provider.name] = Provider(
            name=provider.name,
            aliases=tuple(dict.fromkeys((*other.aliases, *provider.aliases))),
            resells=tuple(dict.fromkeys((*other.resells, *provider.resells))),
            strip=tuple(dict.fromkeys((*other.strip, *provider.strip))),
            tier_aliases={**other.tier_aliases, **provider.tier_aliases},
            place=other.place,
        )
    return found
