"""Check rows against each other: overlaps, gaps, duplicate names. A fault names both lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import combinations
from typing import NamedTuple, TypeAlias

from spendmeter_stream.pricing.book.field_values import hint
from spendmeter_stream.pricing.book.names import provider_key
from spendmeter_stream.pricing.book.parsing import Parsed
from spendmeter_stream.pricing.book.rows import BookFault, DailyWindow, Multiplier, Price, Provider, Terms


def check(parsed: Parsed, known: list[Provider]) -> Iterator[BookFault]:
    """Yield every fault between the parsed rows, and between them and the valid providers in `known`."""
    yield from _names([*known, *parsed.providers])
    yield from _misspelt(parsed.providers, {provider.name for provider in known})
    yield from _spans(parsed)
    yield from _patterns(parsed)


def _names(providers: list[Provider]) -> Iterator[BookFault]:
    owner: dict[str, Provider] = {}
    known = {provider.name for provider in providers}
    for provider in providers:
        for name in (provider.name, *provider.aliases):
            other = owner.setdefault(provider_key(name), provider)
            if other.name != provider.name:
                yield BookFault(provider.place, f"the name {name!r} already means {other.name!r} at {other.place}")
        for verb, makers in (("resells", provider.resells), ("shares the list of", provider.shares)):
            for maker in makers:
                if maker not in known:
                    yield BookFault(provider.place, f"{verb} an unknown provider {maker!r}{hint(maker, known)}")


def _misspelt(providers: list[Provider], known: set[str]) -> Iterator[BookFault]:
    """Reject a provider that no file has if its name resembles a known one. Other new providers are allowed."""
    for provider in providers:
        near = get_close_matches(provider.name, known, n=1, cutoff=0.8) if provider.name not in known else []
        if near:
            yield BookFault(provider.place, f"unknown provider {provider.name!r}; did you mean {near[0]!r}?")


class _Claim(NamedTuple):
    """One value of the book: a unit's rate, or a factor, of one model pattern."""

    what: str
    pattern: str
    rest: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.what!r} of {self.pattern!r}"


_Claims: TypeAlias = "dict[_Claim, list[tuple[Terms, DailyWindow | None]]]"


def _spans(parsed: Parsed) -> Iterator[BookFault]:
    """Check that exactly one price of each claim applies at any time after its first start."""
    shared: dict[tuple[object, ...], list[Price]] = defaultdict(list)
    for price in parsed.prices:
        for pattern in price.patterns:
            shared[(pattern, *_owner(price.terms))].append(price)
    for key, prices in shared.items():
        if len(prices) > 1:
            yield from _conflicts(_rate_claims(str(key[0]), prices))
    yield from _conflicts(_factor_claims(parsed.multipliers))


def _owner(terms: Terms) -> tuple[str, str, int]:
    return terms.provider, terms.org, terms.layer


def _rate_claims(pattern: str, prices: list[Price]) -> _Claims:
    claims: _Claims = defaultdict(list)
    for price in prices:
        for rate in price.rates:
            for scope in _scopes(price.terms):
                rest = (*scope, price.min_context, rate.when)
                claims[_Claim(rate.unit, pattern, rest)].append((price.terms, price.window))
    return claims


def _factor_claims(multipliers: list[Multiplier]) -> _Claims:
    claims: _Claims = defaultdict(list)
    for each in multipliers:
        for pattern in each.patterns:
            for scope in _scopes(each.terms):
                claims[_Claim("factor", pattern, (*_owner(each.terms), *scope, each.units))].append((each.terms, None))
    return claims


def _scopes(terms: Terms) -> Iterator[tuple[str, str]]:
    for tier in terms.tiers:
        for region in terms.regions or ("",):
            yield tier, region


def _conflicts(claims: _Claims) -> Iterator[BookFault]:
    for claim, members in claims.items():
        if len(members) > 1:
            for window in {window for _, window in members}:
                yield from _spans_of(claim, [terms for terms, other in members if other == window])
            yield from _overlapping_windows(claim, [(terms, window) for terms, window in members if window is not None])


def _spans_of(claim: _Claim, members: list[Terms]) -> Iterator[BookFault]:
    members.sort(key=lambda terms: (terms.starts, terms.ends))
    latest = members[0]
    for terms in members[1:]:
        if terms.starts < latest.ends:
            yield BookFault(terms.place, f"overlap: {claim} already has a value in this time, from {latest.place}")
        elif terms.starts > latest.ends:
            yield BookFault(terms.place, f"gap: {claim} has no value between {latest.place} and here")
        latest = max(latest, terms, key=lambda each: each.ends)


def _overlapping_windows(claim: _Claim, members: list[tuple[Terms, DailyWindow]]) -> Iterator[BookFault]:
    """Yield different daily windows of the same period that overlap."""
    for (first, early), (second, late) in combinations(members, 2):
        together = first.starts < second.ends and second.starts < first.ends
        if early != late and together and early.overlaps(late):
            yield BookFault(
                second.place, f"overlap: {claim} has a daily window open at the same time, from {first.place}"
            )


def _patterns(parsed: Parsed) -> Iterator[BookFault]:
    # With one star at an end, the longest prefix or ending is the nearest, and no two are equally near.
    named = [(each.terms, each.patterns) for each in parsed.prices]
    named += [(each.terms, each.patterns) for each in parsed.multipliers]
    named += [(each.terms, each.patterns) for each in parsed.aliases]
    for terms, patterns in named:
        for pattern in patterns:
            if "*" in pattern[1:-1] or (len(pattern) > 1 and pattern[0] == pattern[-1] == "*"):
                yield BookFault(terms.place, f"{pattern!r}: a star may only begin or end a model's name")
