"""What is wrong between rows: overlaps, gaps, names used twice. Faults name both lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from spendmeter_stream.pricing.names import provider_key
from spendmeter_stream.pricing.parsing import Parsed
from spendmeter_stream.pricing.rows import Fault, PriceRow, Provider, Terms
from spendmeter_stream.pricing.values import hint

_MAX_RATE: Final = 2**62
_MAX_DENOMINATOR: Final = 2**31


def check(parsed: Parsed) -> Iterator[Fault]:
    """Every fault between the rows of a book."""
    yield from _names(parsed.providers)
    yield from _out_of_range(parsed.rows)
    yield from _spans(parsed)
    yield from _patterns(parsed)


def _names(providers: list[Provider]) -> Iterator[Fault]:
    owner: dict[str, Provider] = {}
    known = {provider.name for provider in providers}
    for provider in providers:
        for name in (provider.name, *provider.aliases):
            other = owner.setdefault(provider_key(name), provider)
            if other.name != provider.name:
                yield Fault(provider.place, f"the name {name!r} already means {other.name!r} at {other.place}")
        for maker in provider.resells:
            if maker not in known:
                yield Fault(provider.place, f"resells an unknown provider {maker!r}{hint(maker, known)}")


def _out_of_range(rows: Iterable[PriceRow]) -> Iterator[Fault]:
    for row in rows:
        if row.pico.numerator >= _MAX_RATE or row.pico.denominator >= _MAX_DENOMINATOR:
            yield Fault(row.terms.place, f"the rate of {row.unit!r} is out of range")


def _spans(parsed: Parsed) -> Iterator[Fault]:
    """Of the rows that answer the same question exactly one must hold at a time, from the first on."""
    for claim, members in _claims(parsed).items():
        members.sort(key=lambda terms: (terms.starts, terms.ends))
        latest = members[0]
        for terms in members[1:]:
            if terms.starts < latest.ends:
                yield Fault(terms.place, f"overlap: {claim} already has a value in this time, from {latest.place}")
            elif terms.starts > latest.ends:
                yield Fault(terms.place, f"gap: {claim} has no value between {latest.place} and here")
            latest = max(latest, terms, key=lambda each: each.ends)


class _Claim(NamedTuple):
    what: str
    pattern: str
    scope: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.what} of {self.pattern!r}"


def _claims(parsed: Parsed) -> dict[_Claim, list[Terms]]:
    claims: dict[_Claim, list[Terms]] = defaultdict(list)
    for row in parsed.rows:
        rest = (row.min_context, row.window, row.when)
        for scope in _scopes(row.terms):
            claims[_Claim(repr(row.unit), row.pattern, (*scope, *rest))].append(row.terms)
    for each in parsed.multipliers:
        for scope in _scopes(each.terms):
            claims[_Claim("the factor", each.pattern, (*scope, each.units))].append(each.terms)
    return claims


def _scopes(terms: Terms) -> Iterator[tuple[object, ...]]:
    for tier in terms.tiers:
        for region in terms.regions or ("",):
            yield terms.provider, terms.org, terms.layer, tier, region


def _patterns(parsed: Parsed) -> Iterator[Fault]:
    # With a star only at the end, the longest prefix is the nearest, and no two are equally near.
    patterns = {(row.pattern, row.terms.place) for row in parsed.rows}
    patterns |= {(each.pattern, each.terms.place) for each in parsed.multipliers}
    for pattern, place in patterns:
        if "*" in pattern[:-1]:
            yield Fault(place, f"{pattern!r}: a star may only end a model's name")
