"""Price cards: what one call pays for each unit, and the tables of integers that price a chunk at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from spendmeter_stream.pricing.rows import PLAIN, Charging, Window
from spendmeter_stream.pricing.units import UNIT_INDEX, UNITS

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000

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
class CardArrays:
    """The cards as columns: `[unit, card]` integers; a rate is `numerator / denominator` pico-dollars."""

    size: int
    numerator: Int64
    denominator: Int64
    has_rate: Bool
    minimum: Int64
    step: Int64
    unless: Int64
    """Bits of the units that replace this one."""
    plain: Bool
    """By unit: no card has a minimum, a step or a replacement, so counts are billed as they are."""
    saving_numerator: Int64
    saving_denominator: Int64
    has_saving: Bool
    known: Bool
    free: Bool

    @classmethod
    def of(cls, cards: list[Card]) -> CardArrays:
        shape = (len(UNITS), len(cards))
        numerator, denominator = np.zeros(shape, np.int64), np.ones(shape, np.int64)
        has_rate = np.zeros(shape, np.bool_)
        minimum, step, unless = np.zeros(shape, np.int64), np.ones(shape, np.int64), np.zeros(shape, np.int64)
        for index, card in enumerate(cards):
            for unit, rate in card.rates:
                at = UNIT_INDEX[unit], index
                numerator[at], denominator[at] = rate.pico.numerator, rate.pico.denominator
                has_rate[at] = True
                minimum[at], step[at] = rate.charging.minimum, max(rate.charging.step, 1)
                unless[at] = unit_bits(rate.charging.unless)
        saving_numerator, saving_denominator, has_saving = _savings(cards)
        return cls(
            size=len(cards),
            numerator=numerator,
            denominator=denominator,
            has_rate=has_rate,
            minimum=minimum,
            step=step,
            unless=unless,
            plain=((minimum == 0) & (step == 1) & (unless == 0)).all(axis=1),
            saving_numerator=saving_numerator,
            saving_denominator=saving_denominator,
            has_saving=has_saving,
            known=np.array([card.known for card in cards]),
            free=np.array([card.free for card in cards]),
        )


def _savings(cards: list[Card]) -> tuple[Int64, Int64, Bool]:
    shape = (len(SAVING_UNITS), len(cards))
    numerator, denominator = np.zeros(shape, np.int64), np.ones(shape, np.int64)
    present = np.zeros(shape, np.bool_)
    for index, card in enumerate(cards):
        for unit, saving in card.savings().items():
            at = SAVING_UNITS.index(unit), index
            numerator[at], denominator[at], present[at] = saving.numerator, saving.denominator, True
    return numerator, denominator, present


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
