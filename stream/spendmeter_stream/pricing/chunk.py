"""Pricing a chunk: every event finds its card, then each unit is one multiplication over the chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from spendmeter_stream.pricing.arrow import Column, chosen_lists, chosen_texts, counter, money
from spendmeter_stream.pricing.book import CallKind, PriceBook
from spendmeter_stream.pricing.cards import SAVING_UNITS, Bool, CardArrays, Int64
from spendmeter_stream.pricing.units import (
    COMPONENTS,
    CONTEXT_UNITS,
    COUNT_COLUMNS,
    QUALIFIERS,
    UNIT_INDEX,
    UNITS,
    USAGE_TAG,
)

_SAFE: Final = 2.0**61
"""Products and sums estimated below this stay exact in int64, whatever the estimate's own error."""

STATUSES: Final = ("priced", "partial", "unpriced", "free")
_PRICED, _PARTIAL, _UNPRICED, _FREE = range(4)


def price_chunk(book: PriceBook, columns: Mapping[str, Any]) -> dict[str, Column]:
    """The cost columns of a chunk of events, with the prices in force when each occurred.

    `columns` holds N rows: lists of texts `provider`, `model`, `org_id`, `service_tier`, `region`; numpy
    int64 `occurred_at_ms` (Unix ms, UTC), the token counts, `characters`, `audio_milliseconds`, `images` and
    `tool_calls`; and `tags`, a list of dicts. Counts are not negative.

    Returns one Arrow array of N rows for each column of `usage_events` that pricing fills: six component
    costs, `cost` (their sum) and `cache_savings` as decimal128(38, 12) USD, `pricing_status`,
    `unpriced_units`, `price_version`, and the three 0/1 counters.
    """
    counts = np.stack([np.asarray(columns[name], np.int64) for name in COUNT_COLUMNS])
    cards = _cards(book, columns, counts)
    arrays = book.cards.arrays()
    billed = _billed(counts, cards, arrays)
    costs = _costs(billed.counts, cards, arrays)
    savings = _savings(counts, cards, arrays)
    result = {name: money(values) for name, values in costs.items()}
    result["cache_savings"] = money(savings)
    # Where the producer could not read the usage, the counts are too low: the cost is a part of the real one.
    doubtful = np.fromiter((USAGE_TAG in tags for tags in columns["tags"]), np.bool_, len(cards))
    result.update(_verdict(billed, cards, arrays, counts, doubtful))
    result["price_version"] = chosen_texts([book.version], np.zeros(len(cards), np.int64))
    return result


def _cards(book: PriceBook, columns: Mapping[str, Any], counts: Int64) -> Int64:
    """The card number of each event."""
    kinds: dict[CallKind, int] = {}
    codes = np.fromiter(
        (kinds.setdefault(kind, len(kinds)) for kind in _kinds(book, columns, counts)),
        np.int64,
        counts.shape[1],
    )
    timelines = [book.timeline(kind) for kind in kinds]
    constant = np.array([-1 if each.constant is None else each.constant for each in timelines], np.int64)
    cards = constant[codes] if len(timelines) else codes
    varying = np.flatnonzero(constant < 0)
    if len(varying):
        _pick_varying(cards, codes, varying, timelines, columns["occurred_at_ms"], counts)
    return cards


def _kinds(book: PriceBook, columns: Mapping[str, Any], counts: Int64) -> list[CallKind]:
    orgs: Sequence[str] = [""] * counts.shape[1]
    if book.orgs:
        orgs = [org if org in book.orgs else "" for org in columns["org_id"]]
    kinds = list(
        map(
            CallKind._make,
            zip(
                columns["provider"],
                columns["model"],
                columns["service_tier"],
                columns["region"],
                orgs,
                [()] * counts.shape[1],
                strict=True,
            ),
        )
    )
    tags = columns["tags"]
    qualified = counts[UNIT_INDEX["images"]] + counts[UNIT_INDEX["tool_calls"]] > 0
    for row in np.flatnonzero(qualified).tolist():
        if found := tuple((tag, tags[row][tag].lower()) for tag in QUALIFIERS if tag in tags[row]):
            kinds[row] = kinds[row]._replace(qualifiers=found)
    return kinds


def _pick_varying(
    cards: Int64, codes: Int64, varying: Int64, timelines: list[Any], occurred_at_ms: Int64, counts: Int64
) -> None:
    """Fills in the cards that depend on the time or the prompt length."""
    context = counts[[UNIT_INDEX[unit] for unit in CONTEXT_UNITS]].sum(axis=0)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(timelines)))
    for code in varying.tolist():
        rows = order[ends[code - 1] if code else 0 : ends[code]]
        cards[rows] = timelines[code].pick(occurred_at_ms[rows], context[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Billed:
    """Counts as they are charged, and which of them count at all, both `[unit, event]`."""

    counts: Int64
    used: Bool


def _billed(counts: Int64, cards: Int64, arrays: CardArrays) -> _Billed:
    """Minimum billing, billing steps, and units that another one replaces."""
    used = counts > 0
    special = np.flatnonzero(~arrays.plain)
    if not len(special):
        return _Billed(counts=counts, used=used)
    bits = (used * (1 << np.arange(len(UNITS)))[:, None]).sum(axis=0)
    counts, used = counts.copy(), used.copy()
    for unit in special:
        used[unit] &= (arrays.unless[unit][cards] & bits) == 0
        step = arrays.step[unit][cards]
        least = np.maximum(counts[unit], arrays.minimum[unit][cards])
        counts[unit] = np.where(used[unit], -(-least // step) * step, 0)
    return _Billed(counts=counts, used=used)


def _costs(counts: Int64, cards: Int64, arrays: CardArrays) -> dict[str, npt.NDArray[Any]]:
    exact = _needs_big_integers(counts, arrays)
    costs: dict[str, npt.NDArray[Any]] = {}
    total: npt.NDArray[Any] = np.zeros(len(cards), object if exact else np.int64)
    for component, units in COMPONENTS.items():
        cost = np.zeros_like(total)
        for index in (UNIT_INDEX[unit] for unit in units):
            if counts[index].any():
                cost = cost + multiply(
                    counts[index], arrays.numerator[index][cards], arrays.denominator[index][cards], big=exact
                )
        costs[component] = cost
        total = total + cost
    return {**costs, "cost": total}


def _savings(counts: Int64, cards: Int64, arrays: CardArrays) -> npt.NDArray[Any]:
    """Reads at (input rate - read rate), less writes at (write rate - input rate)."""
    cached = counts[[UNIT_INDEX[unit] for unit in SAVING_UNITS]]
    largest = np.abs(arrays.saving_numerator).max(axis=1).astype(float)
    exact = bool((cached.max(axis=1, initial=0) * largest).sum() > _SAFE)
    savings: npt.NDArray[Any] = np.zeros(len(cards), object if exact else np.int64)
    for index, count in enumerate(cached):
        if count.any():
            savings = savings + multiply(
                count,
                arrays.saving_numerator[index][cards],
                arrays.saving_denominator[index][cards],
                big=exact,
            )
    return savings


def _needs_big_integers(counts: Int64, arrays: CardArrays) -> bool:
    """Whether some product or sum might pass int64. Counts may be 2**40, and an image 10**11 pico-dollars."""
    largest = counts.max(axis=1, initial=0).astype(float) * arrays.numerator.max(axis=1).astype(float)
    return bool(largest.sum() > _SAFE)


def multiply(counts: Int64, numerator: Int64, denominator: Int64, *, big: bool) -> npt.NDArray[Any]:
    """`counts * numerator / denominator`, rounded half to even, in int64 or, if `big`, in Python integers."""
    product: npt.NDArray[Any] = (counts.astype(object) if big else counts) * numerator
    if (denominator == 1).all():
        return product
    divisor: npt.NDArray[Any] = denominator.astype(object) if big else denominator
    quotient = product // divisor
    twice = 2 * (product - quotient * divisor)
    odd = quotient % 2 == 1
    up = (twice > divisor) | ((twice == divisor) & odd)
    rounded: npt.NDArray[Any] = quotient + up
    return rounded


def _verdict(billed: _Billed, cards: Int64, arrays: CardArrays, counts: Int64, doubtful: Bool) -> dict[str, Column]:
    """What is known about each price: its status, the units without a rate, and the three counters."""
    missing: Bool = billed.used & ~arrays.has_rate[:, cards]
    some_missing, some_priced = missing.any(axis=0), (billed.used & ~missing).any(axis=0)
    known, free = arrays.known[cards], arrays.free[cards]
    status = np.where(free, _FREE, np.where((some_missing & some_priced) | doubtful, _PARTIAL, _PRICED))
    status = np.where((some_missing & ~some_priced) | ~known, _UNPRICED, status)
    cached = counts[[UNIT_INDEX[unit] for unit in SAVING_UNITS]] > 0
    blind: Bool = np.logical_or.reduce(cached & ~arrays.has_saving[:, cards])
    return {
        "pricing_status": chosen_texts(STATUSES, status),
        "unpriced_units": _names_of(missing, doubtful),
        "partial_requests": counter(status == _PARTIAL),
        "unpriced_requests": counter(status == _UNPRICED),
        "cache_unpriced_requests": counter(blind),
    }


def _names_of(missing: Bool, doubtful: Bool) -> Column:
    """A list of names for each event. Most are empty, so the few distinct lists are built once."""
    flags = np.vstack([missing, doubtful])
    bits = (flags * (1 << np.arange(len(flags)))[:, None]).sum(axis=0)
    distinct, which = np.unique(bits, return_inverse=True)
    names = (*UNITS, USAGE_TAG)
    lists = [[name for index, name in enumerate(names) if value >> index & 1] for value in distinct.tolist()]
    return chosen_lists(lists, which)
