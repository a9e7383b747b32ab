"""Price cards: what one call pays for each unit, and the tables of integers that price a chunk at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from spendmeter_stream.pricing.book.rows import PLAIN, Charging, Window
from spendmeter_stream.pricing.book.units import UNIT_INDEX, UNITS

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
_MAX_TERM: Final = 2**60
"""Below this a term of a fraction fits int64, and so does twice a remainder of dividing by it."""

SAVING_UNITS: Final = ("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one unit costs on a card, in pico-dollars for one (one millisecond for audio)."""

    pico: Fraction
    charging: Charging = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """All rates in force for one call. A unit without a rate is absent: it is unpriced, not free."""

    rates: tuple[tuple[str, Rate], ...] = ()
    free: bool = False

    @property
    def known(self) -> bool:
        return bool(self.rates)

    def savings(self) -> Mapping[str, Fraction]:
        """What one token in each cache bucket saves against the input rate; negative for a write premium."""
        rates = dict(self.rates)
        base = rates.get("input_tokens")
        if base is None:
            return {}
        return {unit: base.pico - rates[unit].pico for unit in SAVING_UNITS if unit in rates}


UNKNOWN: Final = Card()
UNKNOWN_INDEX: Final = 0


class CardTable:
    """Cards numbered as first needed. Equal cards share a number, so the table is as small as the book."""

    def __init__(self) -> None:
        self._numbers: dict[Card, int] = {}
        self.add(UNKNOWN)
        self._arrays = CardArrays.of([UNKNOWN])

    def add(self, card: Card) -> int:
        return self._numbers.setdefault(card, len(self._numbers))

    def arrays(self) -> CardArrays:
        if self._arrays.size < len(self._numbers):
            self._arrays = CardArrays.of(list(self._numbers))
        return self._arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Fractions:
    """A table of fractions, `[row, card]`: as int64 pairs where those are enough, and exactly."""

    numerator: Int64
    denominator: Int64
    exact_numerator: npt.NDArray[Any]
    exact_denominator: npt.NDArray[Any]
    """The same as Python integers."""
    present: Bool
    wide: Bool
    """By card: some fraction is too long for int64, and stands there as 0. Odd rates times odd factors get so."""

    @classmethod
    def of(cls, columns: list[Mapping[str, Fraction]], rows: tuple[str, ...]) -> Fractions:
        shape = (len(rows), len(columns))
        numerator, denominator = np.zeros(shape, object), np.ones(shape, object)
        present = np.zeros(shape, np.bool_)
        for card, column in enumerate(columns):
            for name, value in column.items():
                at = rows.index(name), card
                numerator[at], denominator[at], present[at] = value.numerator, value.denominator, True
        wide: Bool = np.asarray(np.maximum(np.abs(numerator), denominator) >= _MAX_TERM, np.bool_)
        return cls(
            numerator=np.where(wide, 0, numerator).astype(np.int64),
            denominator=np.where(wide, 1, denominator).astype(np.int64),
            exact_numerator=numerator,
            exact_denominator=denominator,
            present=present,
            wide=np.logical_or.reduce(wide),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CardArrays:
    """The cards as columns, in pico-dollars for one unit."""

    size: int
    rates: Fractions
    """By unit."""
    savings: Fractions
    """By cached unit: what one token saves against the input rate."""
    minimum: Int64
    step: Int64
    unless: Int64
    """Bits of the units that replace this one."""
    plain: Bool
    """By unit: no card has a minimum, a step or a replacement, so counts are billed as they are."""
    known: Bool
    free: Bool

    @classmethod
    def of(cls, cards: list[Card]) -> CardArrays:
        shape = (len(UNITS), len(cards))
        minimum, step, unless = np.zeros(shape, np.int64), np.ones(shape, np.int64), np.zeros(shape, np.int64)
        for index, card in enumerate(cards):
            for unit, rate in card.rates:
                at = UNIT_INDEX[unit], index
                minimum[at], step[at] = rate.charging.minimum, max(rate.charging.step, 1)
                unless[at] = unit_bits(rate.charging.unless)
        return cls(
            size=len(cards),
            rates=Fractions.of([{unit: rate.pico for unit, rate in card.rates} for card in cards], UNITS),
            savings=Fractions.of([card.savings() for card in cards], SAVING_UNITS),
            minimum=minimum,
            step=step,
            unless=unless,
            plain=((minimum == 0) & (step == 1) & (unless == 0)).all(axis=1),
            known=np.array([card.known for card in cards]),
            free=np.array([card.free for card in cards]),
        )


def unit_bits(units: frozenset[str]) -> int:
    return sum(1 << UNIT_INDEX[unit] for unit in units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A span of time in which the book does not change. Its card depends on hour and prompt length."""

    windows: tuple[Window, ...]
    contexts: Int64
    """The prompt lengths, ascending, from which another card applies."""
    cards: Int64
    """Card numbers, `[bits of the open windows, number of contexts reached]`."""

    def pick(self, occurred_at_ms: Int64, context: Int64) -> Int64:
        level = np.searchsorted(self.contexts, context, side="right")
        opened = np.zeros(len(occurred_at_ms), np.int64)
        for bit, window in enumerate(self.windows):
            opened |= is_open(window, occurred_at_ms).astype(np.int64) << bit
        return self.cards[opened, level]


def is_open(window: Window, occurred_at_ms: Int64) -> Bool:
    """Whether each moment falls into the daily window. 1970-01-01 was a Thursday."""
    minute = occurred_at_ms % _DAY_MS // _MINUTE_MS
    weekday = (occurred_at_ms // _DAY_MS + 3) % 7
    on_day = np.isin(weekday, list(window.weekdays))
    return on_day & (window.start_minute <= minute) & (minute < window.end_minute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Every card of one (provider, model, tier, region, org, qualifiers), by time."""

    starts: Int64
    """Where each epoch starts, in Unix milliseconds, ascending; the first is the beginning of time."""
    epochs: tuple[Epoch, ...]
    constant: int | None = field(default=None)
    """The card number, when it is the same at any time and prompt length."""

    def pick(self, occurred_at_ms: Int64, context: Int64) -> Int64:
        """Card numbers for calls at these times, with these prompt lengths in tokens."""
        at = np.searchsorted(self.starts, occurred_at_ms, side="right") - 1
        picked = np.empty(len(at), np.int64)
        for number in np.unique(at):
            here = at == number
            picked[here] = self.epochs[number].pick(occurred_at_ms[here], context[here])
        return picked


NO_CARD: Final = Timeline(starts=np.array([-(2**62)]), epochs=(), constant=UNKNOWN_INDEX)
