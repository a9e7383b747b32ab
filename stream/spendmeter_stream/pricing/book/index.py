"""Index the rows of a book by provider, org and model pattern."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple, Self, TypeVar

from spendmeter_stream.pricing.book.names import Patterns, Spelling, provider_key, spell
from spendmeter_stream.pricing.book.parsing import Parsed
from spendmeter_stream.pricing.book.resolve import Candidates
from spendmeter_stream.pricing.book.rows import BEGINNING, FOREVER, Alias, Multiplier, Price, PriceRow, Provider

_Block = TypeVar("_Block", Price, Multiplier)


class CallKind(NamedTuple):
    """The properties that determine a call's rates, except time and prompt length, spelled as in the event."""

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
        self._aliases: dict[str, Patterns[Alias]] = {}

    @classmethod
    def of(cls, parsed: Parsed) -> Self:
        index = cls(providers=merged(parsed.providers))
        for price in parsed.prices:
            scope = price.terms.provider, price.terms.org
            index._prices.setdefault(scope, Patterns()).add(price.patterns, price)
        for each in parsed.multipliers:
            kinds = index._multipliers.setdefault(each.terms.provider, {})
            kinds.setdefault((each.terms.org, bool(each.terms.regions)), Patterns()).add(each.patterns, each)
        for alias in parsed.aliases:
            index._aliases.setdefault(alias.terms.provider, Patterns()).add(alias.patterns, alias)
        return index

    def provider(self, name: str) -> str | None:
        """Return the book's name for a provider as an event spells it, or None."""
        return self._names.get(provider_key(name))

    def candidates(self, provider: str, kind: CallKind) -> Candidates:
        """Return the rows and multipliers that can apply to this kind of call at any time."""
        header = self._providers[provider]
        spelling = self._spell(header, kind.model)
        tier, region = _tier(header, kind.tier), spelling.place or kind.region.strip().lower()
        if header.regional and region and not spelling.place:
            # The model pattern of a row may contain the region, as in gateways: `ap-south-1/minimax.minimax-m2`.
            spelling = spelling._replace(placed=[f"{region}/{name}" for name in spelling.names])
        found = self._found(header, spelling, tier, region, kind.org)
        aliases = self.aliases(provider, kind.model)
        if aliases:
            found = self._by_time(found, aliases, header, tier, region, kind.org)
        return Candidates(
            rows=[PriceRow(each, rate) for each in found.prices for rate in each.rates],
            multipliers=found.multipliers,
            qualifiers=kind.qualifiers,
            unplaced=bool(header.regional and region) and not found.placed,
        )

    def aliases(self, provider: str, model: str) -> list[Alias]:
        """Return the periods of a moving alias, oldest first; empty for any other model.

        A dated name is no alias: `gpt-4-0613` must not follow `gpt-4`.
        """
        patterns = self._aliases.get(provider)
        if patterns is None:
            return []
        spelling = self._spell(self._providers[provider], model)
        found = patterns.nearest([name for name in spelling.names if name not in spelling.undated])
        # Periods of a higher layer replace those of a lower one as a whole.
        highest = max((alias.terms.layer for alias in found), default=0)
        return sorted((each for each in found if each.terms.layer == highest), key=lambda each: each.terms.starts)

    def _spell(self, header: Provider, model: str) -> Spelling:
        prefixes = {*header.strip, *self._gateway_prefixes}
        return spell(model, prefixes, endings=header.endings, places=header.places)

    def _by_time(self, own: _Found, aliases: list[Alias], header: Provider, tier: str, region: str, org: str) -> _Found:
        """Return the alias's own prices outside its periods, and the served model's within each."""
        first, last, layer = aliases[0].terms.starts, aliases[-1].terms.ends, aliases[0].terms.layer
        prices = [
            piece
            for each in own.prices
            # Rows of a higher layer or of an org name the alias on purpose, so they stay.
            for piece in ([each] if each.terms.layer > layer or each.terms.org else _outside(each, first, last))
        ]
        multipliers, placed = list(own.multipliers), own.placed
        for alias in aliases:
            served = self._found(header, self._spell(header, alias.serves), tier, region, org)
            prices += _within(served.prices, alias)
            multipliers += _within([each for each in served.multipliers if each not in own.multipliers], alias)
            placed = placed or served.placed
        return _Found(prices, multipliers, placed)

    def _found(self, header: Provider, spelling: Spelling, tier: str, region: str, org: str) -> _Found:
        """Return what applies to a model at any time; `placed` if a pattern with the place matched."""

        def applies(each: Price | Multiplier) -> bool:
            return tier in each.terms.tiers and each.terms.applies_in(region)

        own = self._prices_of(header.name, "", spelling.placed)
        prices = own or self._prices_of(header.name, "", spelling.names) or self._makers_prices(header, spelling.names)
        if org:
            prices = [*prices, *self._prices_of(header.name, org, spelling.names)]
        kinds = self._multipliers.get(header.name, {})
        # The nearest pattern of each kind (region, org): factors of one kind do not compound.
        scoped = [patterns for (owner, _), patterns in kinds.items() if owner in ("", org)]
        # A row for the place has the price at the place, so a region's factor does not apply.
        multipliers = [
            each
            for patterns in scoped
            for each in patterns.nearest(spelling.names, applies)
            if not (own and each.terms.regions)
        ]
        return _Found([each for each in prices if applies(each)], multipliers, bool(own))

    def _prices_of(self, provider: str, org: str, names: list[str]) -> list[Price]:
        """Return the prices of the nearest pattern, from every layer that has it.

        The pattern is chosen across layers: a hand-checked `gpt-4o` must not replace the seed's `gpt-4o-2024-05-13`.
        """
        patterns = self._prices.get((provider, org))
        return patterns.nearest(names) if patterns else []

    def _makers_prices(self, header: Provider, names: list[str]) -> list[Price]:
        """Return the prices of a shared list, or else the maker's standard list prices.

        A maker's tiers and regions do not carry over to a reseller.
        """
        for provider in header.shares:
            if prices := self._prices_of(provider, "", names):
                return prices
        for maker in header.resells:
            if prices := self._prices_of(maker, "", names):
                return [each for each in prices if "standard" in each.terms.tiers and not each.terms.regions]
        return []


class _Found(NamedTuple):
    """Prices and multipliers of one model name."""

    prices: list[Price]
    multipliers: list[Multiplier]
    placed: bool


def _within(blocks: list[_Block], alias: Alias) -> list[_Block]:
    """Return the blocks of the served model, limited to the alias's period."""
    limited = [(each, each.terms.during(alias.terms.starts, alias.terms.ends)) for each in blocks]
    return [replace(each, terms=replace(period, serves=alias.serves)) for each, period in limited if period is not None]


def _outside(price: Price, starts: int, ends: int) -> list[Price]:
    periods = (price.terms.during(BEGINNING, starts), price.terms.during(ends, FOREVER))
    return [replace(price, terms=period) for period in periods if period is not None]


def _tier(header: Provider, tier: str) -> str:
    name = tier.strip().lower() or "standard"
    return header.tier_aliases.get(name, name)


def merged(providers: Iterable[Provider]) -> dict[str, Provider]:
    """Merge the headers of each provider: its seed and its reviewed file both have one."""
    found: dict[str, Provider] = {}
    for provider in providers:
        other = found.get(provider.name, provider)
        found[provider.name] = Provider(
            name=provider.name,
            aliases=tuple(dict.fromkeys((*other.aliases, *provider.aliases))),
            resells=tuple(dict.fromkeys((*other.resells, *provider.resells))),
            shares=tuple(dict.fromkeys((*other.shares, *provider.shares))),
            strip=tuple(dict.fromkeys((*other.strip, *provider.strip))),
            endings=tuple(dict.fromkeys((*other.endings, *provider.endings))),
            places={**other.places, **provider.places},
            regional=other.regional or provider.regional,
            tier_aliases={**other.tier_aliases, **provider.tier_aliases},
            place=other.place,
        )
    return found
