"""What is wrong between rows: overlaps, gaps, names used twice. Faults name both lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from spendmeter_stream.pricing.names import provider_key
from spendmeter_stream.pricing.parsing import Parsed
from spendmeter_stream.pricing.rows import Fault, Provider, Terms
from spendmeter_stream.pricing.values import hint


def check(parsed: Parsed) -> Iterator[Fault]:
    """Every fault between the rows of a book."""
    yield from _names(parsed.providers)
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


class _Claim(NamedTuple):
    """What rows answer about: a unit's rate, or a factor, of one model pattern."""

    what: str
    pattern: str
    provider: str
    org: str
    layer: int
    rest: tuple[object, ...]


def _spans(parsed: Parsed) -> Iterator[Fault]:
    for claim, members in _claims(parsed).items():
        if len(members) > 1:
            for same in _by_scope(members).values():
                yield from _one_at_a_time(claim, same)


def _claims(parsed: Parsed) -> dict[_Claim, list[Terms]]:
    claims: dict[_Claim, list[Terms]] = defaultdict(list)
    for row in parsed.rows:
        claims[_claim(row.unit, row.pattern, row.terms, row.min_context, row.window, row.when)].append(row.terms)
    for each in parsed.multipliers:
        regional = bool(each.terms.regions)
        claims[_claim("factor", each.pattern, each.terms, each.units, regional)].append(each.terms)
    return claims


def _claim(what: str, pattern: str, terms: Terms, *rest: object) -> _Claim:
    return _Claim(what, pattern, terms.provider, terms.org, terms.layer, rest)


def _by_scope(members: list[Terms]) -> dict[tuple[str, str], list[Terms]]:
    scopes: dict[tuple[str, str], list[Terms]] = defaultdict(list)
    for terms in members:
        for tier in terms.tiers:
            for region in terms.regions or ("",):
                scopes[tier, region].append(terms)
    return scopes


def _one_at_a_time(claim: _Claim, members: list[Terms]) -> Iterator[Fault]:
    """Of the rows that answer the same question exactly one holds at any time from the first on."""
    members.sort(key=lambda terms: (terms.starts, terms.ends))
    what, latest = f"{claim.what!r} of {claim.pattern!r}", members[0]
    for terms in members[1:]:
        if terms.starts < latest.ends:
            yield Fault(terms.place, f"overlap: {what} already has a value in this time, from {latest.place}")
        elif terms.starts > latest.ends:
            yield Fault(terms.place, f"gap: {what} has no value between {latest.place} and here")
        latest = max(latest, terms, key=lambda each: each.ends)


def _patterns(parsed: Parsed) -> Iterator[Fault]:
    # With a star only at the end, the longest prefix is the nearest, and no two are equally near.
    patterns = {(row.pattern, row.terms.place) for row in parsed.rows}
    patterns |= {(each.pattern, each.terms.place) for each in parsed.multipliers}
    for pattern, place in patterns:
        if "*" in pattern[:-1]:
            yield Fault(place, f"{pattern!r}: a star may only end a model's name")
