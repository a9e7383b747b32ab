"""The rows of the price book, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

from spendmeter_stream.pricing.book.units import PICO

BEGINNING: Final = -(2**62)
"""Unix milliseconds before any event: the start of a row that says `from = "beginning"`."""
FOREVER: Final = 2**62
"""The end of a row without `to`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row was written."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the book, and where."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class PriceBookError(ValueError):
    """The book cannot be used. `faults` lists everything that is wrong with it, in file and line order."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(sorted(set(faults), key=lambda fault: (fault.place.file, fault.place.line, fault.message)))
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class Window:
    """A daily span in UTC, `[start, end)` in minutes of the day, on the weekdays given (Monday is 0)."""

    start_minute: int
    end_minute: int
    weekdays: frozenset[int]

    def meets(self, other: Window) -> bool:
        """Whether both are open at some minute of some weekday."""
        same_minute = self.start_minute < other.end_minute and other.start_minute < self.end_minute
        return same_minute and not self.weekdays.isdisjoint(other.weekdays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """For whom and when a block of the book holds. Times are Unix milliseconds, `[starts, ends)`."""

    provider: str
    starts: int
    ends: int
    tiers: tuple[str, ...]
    regions: tuple[str, ...]
    """Empty: every region."""
    org: str
    """Empty: everyone. Else the one org that negotiated this."""
    source: str
    verified_at: str
    note: str
    layer: int
    """A row of a higher layer replaces the rows below it for its unit, while it is in force."""
    place: Place

    def holds_at(self, moment: int) -> bool:
        return self.starts <= moment < self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Charging:
    """How counts become billed counts, in the unit's own measure (seconds for audio)."""

    minimum: int = 0
    """The least that is billed for a call that used any."""
    step: int = 0
    """Counts are rounded up to a multiple of this; 0 bills them as they are."""
    unless: frozenset[str] = frozenset()
    """Units that replace this one: where they are counted too, this unit is not charged."""


PLAIN: Final = Charging()


class UnitRate(NamedTuple):
    """What one unit costs, for calls with exactly these tags among those that the unit's rates ask for."""

    unit: str
    pico: Fraction
    """Pico-dollars for one unit (one millisecond for audio)."""
    when: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One block of the book: the dated rates of some units, for some model patterns."""

    terms: Terms
    patterns: tuple[str, ...]
    rates: tuple[UnitRate, ...]
    min_context: int
    """The smallest prompt, in tokens, that these rates apply to."""
    window: Window | None
    charging: Charging
    characters_counted: str
    free: bool


class PriceRow(NamedTuple):
    """One dated rate of one unit."""

    price: Price
    rate: UnitRate


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplier:
    """A factor on list prices: a region's surcharge, or an org's discount."""

    terms: Terms
    patterns: tuple[str, ...]
    factor: Fraction
    units: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """How one provider is called, and how it names things."""

    name: str
    aliases: tuple[str, ...] = ()
    resells: tuple[str, ...] = ()
    """Providers whose standard list prices hold here for a model that has no row of its own."""
    strip: tuple[str, ...] = ()
    """Prefixes of model names that do not change the price."""
    tier_aliases: Mapping[str, str]
    place: Place


def pico_rate(rate: Fraction, per: int, unit: str) -> Fraction:
    """Pico-dollars for one counted unit, exactly, from `rate` USD for `per` units."""
    scale = per * 1_000 if unit == "audio_seconds" else per
    return Fraction(rate.numerator * PICO, rate.denominator * scale)
