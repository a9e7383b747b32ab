"""The rows of the price book, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final, NamedTuple

from spendmeter_stream.pricing.book.units import PICO

BEGINNING: Final = -(2**62)
"""Unix milliseconds before any event: the start of a row with `from = "beginning"`."""
FOREVER: Final = 2**62
"""The end of a row without `to`."""
ROWS_LAYER: Final = 2
"""Layer of rows given as data: the price topic's."""


@dataclass(frozen=True, slots=True)
class Place:
    """File and line of a row. A row of the topic has its record key and line 0."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else f"row {self.file}"


@dataclass(frozen=True, slots=True)
class BookFault:
    """One fault of the book and its place."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class PriceBookError(ValueError):
    """The price book is invalid. `faults` lists every fault in file and line order."""

    def __init__(self, faults: list[BookFault]) -> None:
        self.faults = tuple(sorted(set(faults), key=lambda fault: (fault.place.file, fault.place.line, fault.message)))
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class DailyWindow:
    """A daily window in UTC, `[start, end)` in minutes of the day, on some weekdays (Monday is 0)."""

    start_minute: int
    end_minute: int
    weekdays: frozenset[int]

    def overlaps(self, other: DailyWindow) -> bool:
        """Return whether both are open at some minute of some weekday."""
        same_minute = self.start_minute < other.end_minute and other.start_minute < self.end_minute
        return same_minute and not self.weekdays.isdisjoint(other.weekdays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Scope and period of a block. Times are Unix milliseconds, `[starts, ends)`."""

    provider: str
    starts: int
    ends: int
    tiers: tuple[str, ...]
    regions: tuple[str, ...]
    """Empty for every region."""
    org: str
    """Empty for list prices; else the org with this negotiated price."""
    source: str
    verified_at: str
    note: str
    layer: int
    """A row of a higher layer replaces lower rows of its unit while it is in force."""
    place: Place
    serves: str = ""
    """The model that a moving alias served, in the terms of a row that applies through the alias."""

    def applies_at(self, time_ms: int) -> bool:
        return self.starts <= time_ms < self.ends

    def applies_in(self, region: str) -> bool:
        """Return whether the block applies to calls of this region (lower case). `eu-*` matches all that begin so."""
        return not self.regions or any(
            region == name or (name.endswith("*") and region.startswith(name[:-1])) for name in self.regions
        )

    def during(self, starts: int, ends: int) -> Terms | None:
        """Return these terms, limited to a period; None if they do not overlap it."""
        limited = replace(self, starts=max(self.starts, starts), ends=min(self.ends, ends))
        return limited if limited.starts < limited.ends else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charging:
    """Billing of counts, in the unit's own measure (seconds for audio)."""

    minimum: int = 0
    """Minimum billed for a call that used the unit."""
    step: int = 0
    """Counts are rounded up to a multiple of this; 0 bills them unchanged."""
    unless: frozenset[str] = frozenset()
    """Units that replace this one: if the call counts them too, this unit is not charged."""


PLAIN: Final = Charging()


class UnitRate(NamedTuple):
    """Rate of one unit, for calls with exactly these tags among the tag keys that the unit's rates mention."""

    unit: str
    pico: Fraction
    """Pico-dollars per unit (per millisecond for audio)."""
    when: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One `[[price]]` block: dated rates of some units for some model patterns."""

    terms: Terms
    patterns: tuple[str, ...]
    rates: tuple[UnitRate, ...]
    min_context: int
    """Minimum prompt length, in tokens, for these rates."""
    window: DailyWindow | None
    charging: Charging
    characters_counted: str
    free: bool
    lower_bound: bool = False
    """The provider also charges a fee without a unit in events."""


class PriceRow(NamedTuple):
    """One dated rate of one unit."""

    price: Price
    rate: UnitRate


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplier:
    """A factor on list prices: a region's surcharge or an org's discount."""

    terms: Terms
    patterns: tuple[str, ...]
    factor: Fraction
    units: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """One `[[alias]]` block: the model that a moving alias served in a period."""

    terms: Terms
    patterns: tuple[str, ...]
    serves: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Names of a provider, and its naming rules."""

    name: str
    aliases: tuple[str, ...] = ()
    resells: tuple[str, ...] = ()
    """Providers whose standard list prices apply to models without a row here."""
    shares: tuple[str, ...] = ()
    """Providers whose list, with its tiers, applies to models without a row here."""
    strip: tuple[str, ...] = ()
    """Prefixes of model names that do not change the price."""
    endings: tuple[str, ...] = ()
    """Endings of model names that do not change the price."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Prefix of a model name to the region or deployment type that it selects."""
    regional: bool = False
    """A rate without `regions` applies to calls without a region; elsewhere a row or factor must name the place."""
    tier_aliases: Mapping[str, str]
    place: Place


def pico_rate(rate: Fraction, per: int, unit: str) -> Fraction:
    """Return the exact pico-dollars per counted unit from `rate` USD per `per` units."""
    scale = per * 1_000 if unit == "audio_seconds" else per
    return Fraction(rate.numerator * PICO, rate.denominator * scale)
