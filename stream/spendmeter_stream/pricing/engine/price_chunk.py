"""Price a chunk: find the card of each event, then multiply one unit at a time over the whole chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from spendmeter_events.usage_units import CACHE_TOKENS
from spendmeter_stream.pricing.book.cards import Bool, CardArrays, Int64
from spendmeter_stream.pricing.book.index import CallKind
from spendmeter_stream.pricing.book.price_book import PriceBook
from spendmeter_stream.pricing.book.units import (
    CONTEXT_UNITS,
    COUNT_COLUMNS,
    FEE_UNIT,
    QUALIFIED_UNITS,
    QUALIFIERS,
    REGION_UNIT,
    UNIT_INDEX,
    UNITS,
    USAGE_TAG,
)
from spendmeter_stream.pricing.engine.arithmetic import Charged, charge, costs_of
from spendmeter_stream.pricing.engine.arrow import Column, chosen_lists, chosen_texts, counter, money
from spendmeter_stream.pricing.engine.reported import with_reported_costs

STATUSES: Final = ("priced", "partial", "unpriced", "free")
_PRICED, _PARTIAL, _UNPRICED, _FREE = range(4)


def price_chunk(book: PriceBook, columns: Mapping[str, Any]) -> dict[str, Column]:
    """Return the cost columns of a chunk, at the prices in force when each event occurred.

    `columns` has N rows: lists of texts `provider`, `model`, `org_id`, `service_tier`, `region`; numpy
    int64 `occurred_at_ms` (Unix ms, UTC), the token counts, `characters`, `audio_milliseconds`, `images`,
    `video_seconds` and `tool_calls`; and `tags`, a list of dicts. Counts are not negative. `provider_cost`, an Arrow
    array of USD or nulls, is optional: it is the cost of calls without any rate.

    The result has one Arrow array of N rows for each column of `usage_events` that pricing fills: six component
    costs, `cost` (their sum) and `cache_savings` as decimal128(38, 12) USD, `pricing_status`,
    `unpriced_units`, `price_version`, `price_card`, and the three 0/1 counters.
    """
    counts = np.stack([np.asarray(columns[name], np.int64) for name in COUNT_COLUMNS])
    cards = _cards(book, columns, counts)
    # After `_cards`, which may add cards to the book: an older snapshot would lack their numbers.
    arrays = book.cards.arrays()
    charged = charge(counts, cards, arrays)
    result = {name: money(words) for name, words in costs_of(charged, cards, arrays).items()}
    # The producer could not read the usage of tagged events: counts are too low, and the cost is a lower bound.
    incomplete = np.fromiter((USAGE_TAG in tags for tags in columns["tags"]), np.bool_, len(cards))
    result.update(_statuses(charged, cards, arrays, incomplete))
    result["price_version"] = chosen_texts([book.version], np.zeros(len(cards), np.int64))
    result["price_card"] = chosen_texts(book.cards.ids(), cards)
    return with_reported_costs(result, columns)


def _cards(book: PriceBook, columns: Mapping[str, Any], counts: Int64) -> Int64:
    """Return the card number of each event."""
    kinds = _kinds(book, columns, counts)
    # A chunk has few distinct kinds: resolve each once and index the rest with numpy.
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    codes = np.fromiter(map(numbers.__getitem__, kinds), np.int64, len(kinds))
    timelines = [book.timeline(CallKind._make(kind)) for kind in numbers]
    # -1 marks timelines whose card depends on time or prompt length.
    constant = np.array([-1 if each.constant is None else each.constant for each in timelines], np.int64)
    # An empty chunk has no timelines to index.
    cards = constant[codes] if len(timelines) else codes
    varying = np.flatnonzero(constant < 0)
    if len(varying):
        _pick_varying(cards, codes, varying, timelines, columns["occurred_at_ms"], counts)
    return cards


def _kinds(book: PriceBook, columns: Mapping[str, Any], counts: Int64) -> list[tuple[Any, ...]]:
    """Return the fields of each event's `CallKind` as a plain tuple; only distinct kinds become named tuples."""
    # Orgs without negotiated prices share one kind: a kind per org would multiply the timelines.
    orgs: Sequence[str] = [""] * counts.shape[1]
    if book.orgs:
        orgs = [org if org in book.orgs else "" for org in columns["org_id"]]
    unqualified: list[tuple[()]] = [()] * counts.shape[1]
    texts = (columns[name] for name in ("provider", "model", "service_tier", "region"))
    kinds: list[tuple[Any, ...]] = list(zip(*texts, orgs, unqualified, strict=True))
    tags = columns["tags"]
    # Tags select rates of some units only; other events must not split into more kinds.
    qualified = counts[[UNIT_INDEX[unit] for unit in QUALIFIED_UNITS]].any(axis=0)
    for row in np.flatnonzero(qualified).tolist():
        if found := tuple((tag, tags[row][tag].lower()) for tag in QUALIFIERS if tag in tags[row]):
            kinds[row] = (*kinds[row][:-1], found)
    return kinds


def _pick_varying(
    cards: Int64, codes: Int64, varying: Int64, timelines: list[Any], occurred_at_ms: Int64, counts: Int64
) -> None:
    """Set the cards that depend on the time or the prompt length."""
    context = counts[[UNIT_INDEX[unit] for unit in CONTEXT_UNITS]].sum(axis=0)
    # One sort groups the rows by kind; a mask per kind would scan the chunk once for each.
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(timelines)))
    for code in varying.tolist():
        rows = order[ends[code - 1] if code else 0 : ends[code]]
        cards[rows] = timelines[code].pick(occurred_at_ms[rows], context[rows])


def _statuses(charged: Charged, cards: Int64, arrays: CardArrays, incomplete: Bool) -> dict[str, Column]:
    """Return the pricing status, the units without a rate, and the three counters of each event."""
    missing: Bool = charged.used & ~arrays.rates.present[:, cards]
    some_missing, some_priced = missing.any(axis=0), (charged.used & ~missing).any(axis=0)
    known, free = arrays.known[cards], arrays.free[cards]
    # The second statement overrides the first: a call without any rate is unpriced, never partial at a cost of 0.
    # A rate of another place is a guess, and one that leaves out a fee is a lower bound.
    elsewhere: Bool = np.logical_or.reduce(charged.used & arrays.place_unknown[:, cards])
    fee: Bool = np.logical_or.reduce(charged.used & arrays.lower_bound[:, cards])
    doubtful = (some_missing & some_priced) | incomplete | elsewhere | fee
    status = np.where(free, _FREE, np.where(doubtful, _PARTIAL, _PRICED))
    status = np.where((some_missing & ~some_priced) | ~known, _UNPRICED, status)
    cached = charged.counts[[UNIT_INDEX[unit] for unit in CACHE_TOKENS]] > 0
    # A cache without an input or cache rate adds nothing to the savings, so it is counted instead.
    cache_unpriced: Bool = np.logical_or.reduce(cached & ~arrays.savings.present[:, cards])
    return {
        "pricing_status": chosen_texts(STATUSES, status),
        "unpriced_units": _names_of(np.vstack([missing, incomplete, elsewhere, fee])),
        "partial_requests": counter(status == _PARTIAL),
        "unpriced_requests": counter(status == _UNPRICED),
        "cache_unpriced_requests": counter(cache_unpriced),
    }


def _names_of(flags: Bool) -> Column:
    """Return the list of unpriced units of each event, from a row of flags for each name."""
    # Distinct lists are few and most are empty: build each once and index them by bit set.
    bits = (flags * (1 << np.arange(len(flags)))[:, None]).sum(axis=0)
    distinct, which = np.unique(bits, return_inverse=True)
    names = (*UNITS, USAGE_TAG, REGION_UNIT, FEE_UNIT)
    lists = [[name for index, name in enumerate(names) if value >> index & 1] for value in distinct.tolist()]
    return chosen_lists(lists, which)
