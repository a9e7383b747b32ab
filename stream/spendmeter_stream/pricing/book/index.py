"""Index the rows of a book by provider, org and model pattern."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from spendmeter_stream.pricing.book.names import Patterns, provider_key, spellings
from spendmeter_stream.pricing.book.parsing import Parsed
from spendmeter_stream.pricing.book.resolve import Candidates
from spendmeter_stream.pricing.book.rows import Multiplier, Price, PriceRow, Provider, Terms


class CallKind(NamedTuple):
    """Everything that decides a call's rates except time and prompt length, spelled as in the event."""

    provider: str
    model: str
    tier: str
    region: str
    org: str = ""
    qualifiers: tuple[tuple[str, str], ...] = ()


class Index:
    """Find the rows and multipliers that can apply to a kind of call."""

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
        """Return the book's name for a provider as an event spells it, or None."""
        return self._names.get(provider_key(name))

    def candidates(self, provider: str, kind: CallKind) -> Candidates:
        """Return the rows and multipliers that can apply to this kind of call at any time."""
        header = self._providers[provider]
        names = spellings(kind.model, {*header.strip, *self._gateway_prefixes})
        prices = self._prices_of(provider, "", names) or self._resold_prices(header, names)
        if kind.org:
            prices = [*prices, *self._prices_of(provider, kind.org, names)]
        tier, region = _tier(header, kind.tier), kind.region.strip().lower()
        multipliers = self._multipliers_of(provider, kind.org, names)
        return Candidates(
            rows=[PriceRow(each, rate) for each in prices if _applies(each.terms, tier, region) for rate in each.rates],
            multipliers=[each for each in multipliers if _applies(each.terms, tier, region)],
            qualifiers=kind.qualifiers,
        )

    def _prices_of(self, provider: str, org: str, names: list[str]) -> list[Price]:
        """Return the prices of the nearest pattern, from every layer that has it.

        The pattern is chosen across layers: a hand-checked `gpt-4o` must not replace the seed's `gpt-4o-2024-05-13`.
        """
        patterns = self._prices.get((provider, org))
        return patterns.nearest(names) if patterns else []

    def _resold_prices(self, header: Provider, names: list[str]) -> list[Price]:
        """Return the maker's standard list prices. Its tiers and regions do not carry over to a reseller."""
        for maker in header.resells:
            if prices := self._prices_of(maker, "", names):
                return [each for each in prices if "standard" in each.terms.tiers and not each.terms.regions]
        return []

    def _multipliers_of(self, provider: str, org: str, names: list[str]) -> list[Multiplier]:
        """Return the multipliers of the nearest pattern, for each kind (region's, org's). They do not compound."""
        kinds = self._multipliers.get(provider, {})
        own = [patterns for (owner, _), patterns in kinds.items() if owner in ("", org)]
        return [each for patterns in own for each in patterns.nearest(names)]


def _tier(header: Provider, tier: str) -> str:
    name = tier.strip().lower() or "standard"
    return header.tier_aliases.get(name, name)


def _applies(terms: Terms, tier: str, region: str) -> bool:
    return tier in terms.tiers and (not terms.regions or region in terms.regions)


def merged(providers: Iterable[Provider]) -> dict[str, Provider]:
    """Merge the headers of each provider: its seed and its reviewed file both have one."""
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
