"""Multiply counts by rates in integer pico-dollars: exact, rounded once per unit, in int64 where it cannot overflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from spendmeter_events.usage_units import CACHE_TOKENS
from spendmeter_stream.pricing.book.cards import Bool, CardArrays, Fractions, Int64
from spendmeter_stream.pricing.book.units import COMPONENTS, UNIT_INDEX, UNITS
from spendmeter_stream.pricing.engine.arrow import Words, words_of

_SAFE: Final = 2.0**61
"""Sums estimated below this fit int64; the margin to 2**63 covers the float error of the estimate."""
_SAVING_ROWS: Final = [UNIT_INDEX[unit] for unit in CACHE_TOKENS]

Pico = npt.NDArray[Any]
"""Pico-dollars: int64, or Python integers where int64 could overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """Counts as reported, counts as billed, and whether the unit is charged; all `[unit, event]`."""

    counts: Int64
    billed: Int64
    used: Bool

    def of(self, rows: Bool) -> Charged:
        return Charged(counts=self.counts[:, rows], billed=self.billed[:, rows], used=self.used[:, rows])


def charge(counts: Int64, cards: Int64, arrays: CardArrays) -> Charged:
    """Apply billing minimums, billing steps and replaced units."""
    used = counts > 0
    # Most chunks use no unit with a minimum, step or replacement: skip the copies below.
    special = np.flatnonzero(~arrays.plain & used.any(axis=1))
    if not len(special):
        return Charged(counts=counts, billed=counts, used=used)
    # Bits of the units used before any is dropped: the order of `special` must not change the result.
    bits = (used * (1 << np.arange(len(UNITS)))[:, None]).sum(axis=0)
    billed, used = counts.copy(), used.copy()
    for unit in special:
        used[unit] &= (arrays.unless[unit][cards] & bits) == 0
        step = arrays.step[unit][cards]
        # Minimum first, then round up: a minimum that is no multiple of the step is rounded up as well.
        least = np.maximum(counts[unit], arrays.minimum[unit][cards])
        # Unused units stay 0: a minimum applies only to calls that used the unit. -(-a // b) is the ceiling.
        billed[unit] = np.where(used[unit], -(-least // step) * step, 0)
    return Charged(counts=counts, billed=billed, used=used)


def costs_of(charged: Charged, cards: Int64, arrays: CardArrays) -> dict[str, Words]:
    """Return every cost column and `cache_savings` (savings of reads less the premium of writes) as 128-bit words."""
    # Only events that could overflow int64 take the slow path of Python integers.
    large = _estimate(charged, cards, arrays) > _SAFE
    if not large.any():
        return {name: words_of(pico) for name, pico in _columns(charged, cards, arrays, big=False)}
    words: dict[str, Words] = {}
    for rows, big in ((~large, False), (large, True)):
        for name, pico in _columns(charged.of(rows), cards[rows], arrays, big=big):
            words.setdefault(name, np.empty((len(cards), 2), np.uint64))[rows] = words_of(pico)
    return words


def _estimate(charged: Charged, cards: Int64, arrays: CardArrays) -> npt.NDArray[np.float64]:
    """Return an upper bound by event of every product and sum. Counts reach 2**40, an image 10**11 pico-dollars."""
    # Wide cards have 0 in the int64 table: infinity sends their events to the exact path.
    largest = np.where((arrays.rates.wide | arrays.savings.wide)[cards], np.inf, 0.0)
    for unit in np.flatnonzero(charged.used.any(axis=1)):
        largest += charged.billed[unit].astype(float) * arrays.rates.numerator[unit][cards]
    # Savings can be negative; absolute values keep the bound above every partial sum.
    for index, row in enumerate(_SAVING_ROWS):
        if charged.used[row].any():
            largest += charged.counts[row].astype(float) * np.abs(arrays.savings.numerator[index][cards])
    return largest


def _columns(charged: Charged, cards: Int64, arrays: CardArrays, *, big: bool) -> Iterator[tuple[str, Pico]]:
    zero: Pico = np.zeros(len(cards), object if big else np.int64)
    total = zero
    for component, units in COMPONENTS.items():
        # Round each unit, then add: components and `cost` add up exactly because no sum is rounded.
        cost = zero
        for unit in (UNIT_INDEX[name] for name in units):
            if charged.used[unit].any():
                cost = cost + _multiply(charged.billed[unit], arrays.rates, unit, cards, big=big)
        yield component, cost
        total = total + cost
    yield "cost", total
    savings = zero
    for index, unit in enumerate(_SAVING_ROWS):
        if charged.used[unit].any():
            # Reported counts, not billed ones: a saving is per token, without minimums and steps.
            savings = savings + _multiply(charged.counts[unit], arrays.savings, index, cards, big=big)
    yield "cache_savings", savings


def _multiply(counts: Int64, factors: Fractions, row: int, cards: Int64, *, big: bool) -> Pico:
    """Return counts times each card's factor, rounded half to even; Python integers if `big`, else int64."""
    numerator: Pico = factors.exact_numerator if big else factors.numerator
    denominator: Pico = factors.exact_denominator if big else factors.denominator
    product: Pico = (counts.astype(object) if big else counts) * numerator[row][cards]
    divisor = denominator[row][cards]
    # Most rates are whole pico-dollars per token: no division, no rounding.
    if (divisor == 1).all():
        return product
    # Floor division leaves a remainder in [0, divisor) for negative savings too, so one rule rounds both.
    quotient = product // divisor
    twice = 2 * (product - quotient * divisor)
    rounded: Pico = quotient + ((twice > divisor) | ((twice == divisor) & (quotient % 2 == 1)))
    return rounded
