"""Check the periods of moving aliases: one served model at a time, with a price, and no chains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from spendmeter_stream.pricing.book.index import CallKind, Index
from spendmeter_stream.pricing.book.rows import Alias, BookFault


def check_aliases(aliases: list[Alias], index: Index) -> Iterator[BookFault]:
    """Yield the faults of new periods, given an index of the whole book."""
    periods: dict[tuple[str, int, str], list[Alias]] = defaultdict(list)
    for alias in aliases:
        yield from _served(alias, index)
        for pattern in alias.patterns:
            periods[alias.terms.provider, alias.terms.layer, pattern].append(alias)
    for (_, _, pattern), members in periods.items():
        members.sort(key=lambda each: each.terms.starts)
        for earlier, later in pairwise(members):
            if later.terms.starts < earlier.terms.ends:
                yield BookFault(
                    later.terms.place, f"overlap: {pattern!r} serves a model already, at {earlier.terms.place}"
                )
            elif later.terms.starts > earlier.terms.ends:
                yield BookFault(later.terms.place, f"gap: {pattern!r} serves no model after {earlier.terms.place}")


def _served(alias: Alias, index: Index) -> Iterator[BookFault]:
    provider = alias.terms.provider
    others = index.aliases(provider, alias.serves)
    if any(each.terms.during(alias.terms.starts, alias.terms.ends) for each in others):
        yield BookFault(alias.terms.place, f"serves {alias.serves!r}, which is an alias itself: name the model")
        return
    rows = index.candidates(provider, CallKind(provider, alias.serves, "standard", "")).rows
    if not any(row.price.terms.during(alias.terms.starts, alias.terms.ends) for row in rows):
        yield BookFault(alias.terms.place, f"serves {alias.serves!r}, which has no price in this period")
