"""Price cards: the rate of each unit for one call, and integer tables that price a whole chunk at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from spendmeter_clickhouse.prices.price_cards import RateOrigin, StoredRate, encode
from spendmeter_events.usage_units import CACHE_TOKENS, UNCACHED
from spendmeter_stream.pricing.book.rows import PLAIN, Charging, DailyWindow
from spendmeter_stream.pricing.book.units import REPLACED, UNIT_INDEX, UNITS

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
_MAX_TERM: Final = 2**60
"""Numerators and denominators below this fit int64, and so does twice a remainder of the division."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRate:
    """The rate of one unit on a card, in pico-dollars for one (one millisecond for audio)."""

    pico: Fraction
    charging: Charging = PLAIN
    place_unknown: bool = False
    """The rate is that of another place: a call that used the unit is partial."""
    lower_bound: bool = False
    """The provider also charges a fee without a unit in events: a call that used the unit is partial."""
    origin: RateOrigin
    """The row behind the rate. It makes cards of different rows different, so that each cost can be explained."""

    def stored(self, unit: str) -> StoredRate:
        replaced_by = self.charging.unless | {REPLACED[each] for each in (unit,) if each in REPLACED}
        return StoredRate(
            unit=unit,
            pico=self.pico,
            minimum=self.charging.minimum,
            step=self.charging.step,
            unless=tuple(sorted(replaced_by)),
            place_unknown=self.place_unknown,
            lower_bound=self.lower_bound,
            origin=self.origin,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """All rates in force for one call. An absent unit is unpriced, not free."""

    rates: tuple[tuple[str, CardRate], ...] = ()
    free: bool = False

    @property
    def known(self) -> bool:
        return bool(self.rates)

    def savings(self) -> Mapping[str, Fraction]:
        """Return the saving per token of each cache bucket against the uncached rate; negative for a write premium."""
        rates = dict(self.rates)
        # Without an uncached rate a saving is unknown, which is not the same as zero.
        known = [unit for unit in CACHE_TOKENS if unit in rates and UNCACHED[unit] in rates]
        return {unit: rates[UNCACHED[unit]].pico - rates[unit].pico for unit in known}


UNKNOWN: Final = Card()
UNKNOWN_INDEX: Final = 0


class CardTable:
    """Cards numbered in the order of first use. Equal cards share a number, so the table stays as small as the book."""

    def __init__(self) -> None:
        self._numbers: dict[Card, int] = {}
        # UNKNOWN first: UNKNOWN_INDEX and NO_CARD rely on number 0.
        self.add(UNKNOWN)
        self._arrays = CardArrays.of([UNKNOWN])
        self._encoded: list[tuple[str, str]] = [("", "")]
        self._written = 1

    def add(self, card: Card) -> int:
        # Cached timelines keep these numbers, so a card must never get another one.
        return self._numbers.setdefault(card, len(self._numbers))

    def arrays(self) -> CardArrays:
        # Rebuild only after cards were added: a rebuild visits every card, and most chunks add none.
        if self._arrays.size < len(self._numbers):
            self._arrays = CardArrays.of(list(self._numbers))
        return self._arrays

    def ids(self) -> list[str]:
        """Return the stored id of each card by number; empty for the unknown card."""
        return [card_id for card_id, _ in self._encode()]

    def text(self, number: int) -> str:
        """Return the JSON text of a card as it is stored; empty for the unknown card."""
        return self._encode()[number][1]

    def unwritten(self) -> tuple[dict[str, str], int]:
        """Return the id and JSON text of the cards to store, and the number to pass to `mark_written` then."""
        encoded = self._encode()
        return dict(encoded[self._written :]), len(encoded)

    def mark_written(self, number: int) -> None:
        """Omit the first `number` cards of the table from `unwritten`."""
        self._written = max(self._written, number)

    def _encode(self) -> list[tuple[str, str]]:
        if len(self._encoded) < len(self._numbers):
            added = list(self._numbers)[len(self._encoded) :]
            # Assigned as a whole: another thread may encode the same cards.
            self._encoded = [
                *self._encoded,
                *(encode(rate.stored(unit) for unit, rate in each.rates) for each in added),
            ]
        return self._encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Fractions:
    """A table of fractions, `[row, card]`: as int64 pairs where they fit, and exactly."""

    numerator: Int64
    denominator: Int64
    exact_numerator: npt.NDArray[Any]
    exact_denominator: npt.NDArray[Any]
    """The same fractions as Python integers."""
    present: Bool
    wide: Bool
    """By card: some fraction does not fit int64 and is 0 in `numerator`, as a product of unusual rates and factors."""

    @classmethod
    def of(cls, columns: list[Mapping[str, Fraction]], rows: tuple[str, ...]) -> Fractions:
        shape = (len(rows), len(columns))
        # Python integers first: int64 would overflow before `wide` is known.
        numerator, denominator = np.zeros(shape, object), np.ones(shape, object)
        present = np.zeros(shape, np.bool_)
        for card, column in enumerate(columns):
            for name, value in column.items():
                at = rows.index(name), card
                numerator[at], denominator[at], present[at] = value.numerator, value.denominator, True
        wide: Bool = np.asarray(np.maximum(np.abs(numerator), denominator) >= _MAX_TERM, np.bool_)
        # A wide fraction becomes 0/1 so that the cast is defined; arithmetic uses exact integers for its card.
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
    """Cards as columns, in pico-dollars per unit."""

    size: int
    rates: Fractions
    """Row: unit."""
    savings: Fractions
    """Row: cache unit. Saving of one token against the uncached rate."""
    minimum: Int64
    step: Int64
    unless: Int64
    """Bit set of the units that replace this one."""
    plain: Bool
    """By unit: no card has a minimum, step or replacement, so counts are billed unchanged."""
    known: Bool
    free: Bool
    place_unknown: Bool
    """By unit."""
    lower_bound: Bool
    """By unit."""

    @classmethod
    def of(cls, cards: list[Card]) -> CardArrays:
        shape = (len(UNITS), len(cards))
        minimum, step, unless = np.zeros(shape, np.int64), np.ones(shape, np.int64), np.zeros(shape, np.int64)
        for unit, other in REPLACED.items():
            unless[UNIT_INDEX[unit]] = unit_bits(frozenset((other,)))
        place_unknown, lower_bound = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        for index, card in enumerate(cards):
            for unit, rate in card.rates:
                at = UNIT_INDEX[unit], index
                # A step of 0 means none; 1 bills the same and avoids a division by zero.
                minimum[at], step[at] = rate.charging.minimum, max(rate.charging.step, 1)
                unless[at] |= unit_bits(rate.charging.unless)
                place_unknown[at], lower_bound[at] = rate.place_unknown, rate.lower_bound
        return cls(
            size=len(cards),
            rates=Fractions.of([{unit: rate.pico for unit, rate in card.rates} for card in cards], UNITS),
            savings=Fractions.of([card.savings() for card in cards], CACHE_TOKENS),
            minimum=minimum,
            step=step,
            unless=unless,
            plain=((minimum == 0) & (step == 1) & (unless == 0)).all(axis=1),
            known=np.array([card.known for card in cards]),
            free=np.array([card.free for card in cards]),
            place_unknown=place_unknown,
            lower_bound=lower_bound,
        )


def unit_bits(units: frozenset[str]) -> int:
    return sum(1 << UNIT_INDEX[unit] for unit in units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A period in which the book does not change. The card depends on the daily window and the prompt length."""

    windows: tuple[DailyWindow, ...]
    contexts: Int64
    """Prompt lengths, ascending, from which another card applies."""
    cards: Int64
    """Card numbers, `[bits of the open windows, number of contexts reached]`."""

    def pick(self, occurred_at_ms: Int64, context: Int64) -> Int64:
        # side="right": a threshold is inclusive, so a prompt of exactly that length reaches it.
        level = np.searchsorted(self.contexts, context, side="right")
        open_bits = np.zeros(len(occurred_at_ms), np.int64)
        # The bit order must match `_open_windows` in resolve.py, which orders the rows of `cards`.
        for bit, window in enumerate(self.windows):
            open_bits |= is_open(window, occurred_at_ms).astype(np.int64) << bit
        return self.cards[open_bits, level]


def is_open(window: DailyWindow, occurred_at_ms: Int64) -> Bool:
    """Return whether each time falls into the daily window."""
    minute = occurred_at_ms % _DAY_MS // _MINUTE_MS
    # 1970-01-01 was a Thursday, weekday 3.
    weekday = (occurred_at_ms // _DAY_MS + 3) % 7
    on_day = np.isin(weekday, list(window.weekdays))
    return on_day & (window.start_minute <= minute) & (minute < window.end_minute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All cards of one (provider, model, tier, region, org, qualifiers), by time."""

    starts: Int64
    """Start of each epoch in Unix milliseconds, ascending; the first is `BEGINNING`."""
    epochs: tuple[Epoch, ...]
    constant: int | None = field(default=None)
    """The card number, if it is the same at any time and prompt length."""

    def pick(self, occurred_at_ms: Int64, context: Int64) -> Int64:
        """Return card numbers for calls at these times (Unix ms) with these prompt lengths (tokens)."""
        # The first start precedes every event, so the index is never -1.
        at = np.searchsorted(self.starts, occurred_at_ms, side="right") - 1
        picked = np.empty(len(at), np.int64)
        # The events of a chunk fall into few epochs, so loop over these and stay vectorised within each.
        for number in np.unique(at):
            rows = at == number
            picked[rows] = self.epochs[number].pick(occurred_at_ms[rows], context[rows])
        return picked


NO_CARD: Final = Timeline(starts=np.array([-(2**62)]), epochs=(), constant=UNKNOWN_INDEX)
