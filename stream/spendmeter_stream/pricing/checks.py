"""What is wrong between rows: overlaps, gaps, names used twice. Faults name both lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from spendmeter_stream.pricing.names import ambiguous_globs, provider_key
from spendmeter_stream.pricing.parsing import Parsed
from spendmeter_stream.pricing.rows import FOREVER, Fault, PriceRow, Provider
from spendmeter_stream.pricing.values import hint

_MAX_RATE = 2**62
_MAX_DENOMINATOR = 2**31


def check(parsed: Parsed) -> Iterator[Fault]:
    """Every fault between the rows of a book."""
    yield from _names(parsed.providers)
    yield from _paid_nothing(parsed.rows)
    yield from _out_of_range(parsed.rows)
    yield from _spans(parsed.rows)
    yield from _ambiguous(parsed.rows)


def _names(providers: list[Provider]) -> Iterator[Fault]:
    owner: dict[str, Provider] = {}
    known = {provider.name for provider in providers}
    for provider in providers:
        for name in (provider.name, *provider.aliases):
            other = owner.setdefault(provider_key(name), provider)
            if other.name != provider.name:
                yield Fault(
                    provider.place, f"the name {name!r} already means {other.name!r} at {other.place}"
                )
        for maker in provider.resells:
            if maker not in known:
                yield Fault(provider.place, f"resells an unknown provider {maker!r}{hint(maker, known)}")


def _paid_nothing(rows: Iterable[PriceRow]) -> Iterator[Fault]:
    blocks: dict[object, list[PriceRow]] = defaultdict(list)
    for row in rows:
        blocks[row.place].append(row)
    for place, members in blocks.items():
        if not any(row.pico or row.free for row in members):
            yield Fault(members[0].place, "every rate is 0: say free = true, or give the rate")
            del place


def _out_of_range(rows: Iterable[PriceRow]) -> Iterator[Fault]:
    for row in rows:
        if row.pico.numerator >= _MAX_RATE or row.pico.denominator >= _MAX_DENOMINATOR:
            yield Fault(row.place, f"the rate of {row.unit!r} is out of range")


def _spans(rows: Iterable[PriceRow]) -> Iterator[Fault]:
    for members in _same_claim(rows).values():
        members.sort(key=lambda row: (row.starts, row.ends))
        latest = members[0]
        for row in members[1:]:
            what = f"{row.unit!r} of {row.pattern!r}"
            if row.starts < latest.ends:
                yield Fault(
                    row.place, f"overlap: {what} already has a rate in this time, from {latest.place}"
                )
            elif row.starts > latest.ends:
                yield Fault(row.place, f"gap: {what} has no rate between {latest.place} and here")
            latest = max(latest, row, key=lambda each: each.ends)


def _same_claim(rows: Iterable[PriceRow]) -> dict[tuple[object, ...], list[PriceRow]]:
    """Rows that answer the same question, of which exactly one may hold at a time."""
    claims: dict[tuple[object, ...], list[PriceRow]] = defaultdict(list)
    for row in rows:
        for tier in row.tiers:
            for region in row.regions or ("",):
                claim = (row.provider, row.pattern, row.unit, row.org, row.layer, tier, region)
                claims[(*claim, row.min_context, row.window, row.when)].append(row)
    return claims


def _ambiguous(rows: Iterable[PriceRow]) -> Iterator[Fault]:
    groups: dict[tuple[str, str, int], dict[str, PriceRow]] = defaultdict(dict)
    for row in rows:
        groups[row.provider, row.org, row.layer].setdefault(row.pattern, row)
    for patterns in groups.values():
        for first, second in ambiguous_globs(patterns):
            yield Fault(
                patterns[second].place, f"{second!r} and {first!r} at {patterns[first].place} match alike"
            )


__all__ = ["FOREVER", "check"]
