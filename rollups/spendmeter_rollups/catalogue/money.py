"""Money: exact decimals, strings in JSON, in USD or converted at dated rates that the answer includes."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Context, Decimal
from typing import Annotated, Final

from pydantic import PlainSerializer, WithJsonSchema

_EXACT: Final = Context(prec=80)

USD: Final = "USD"


def plain(amount: Decimal) -> str:
    """Format `amount` exactly, without exponent or trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


Money = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^-?\d+(\.\d+)?$",
            "description": "exact decimal amount in the answer's currency",
            "examples": ["96.791325"],
        }
    ),
]


def add_exactly(left: Decimal, right: Decimal) -> Decimal:
    """Return the sum without rounding: converted amounts have more digits than the default context of decimals."""
    return _EXACT.add(left, right)


def subtract_exactly(left: Decimal, right: Decimal) -> Decimal:
    """Return the difference without rounding."""
    return _EXACT.subtract(left, right)


@dataclass(frozen=True, slots=True)
class Rate:
    """Units of `currency` per USD from the day `on`; USD itself has no date."""

    currency: str = USD
    per_usd: Decimal = Decimal(1)
    on: date | None = None
    source: str = ""

    def convert(self, usd: Decimal) -> Decimal:
        """Convert without rounding, so that converted parts add up to the converted total."""
        if self.currency == USD:
            return usd
        return _EXACT.multiply(usd, self.per_usd)


@dataclass(frozen=True, slots=True)
class Rates:
    """All rates of a currency, oldest first. The rate of a UTC day is the newest one dated on or before it.

    Days before the first rate have the first one. The rate of a call depends on its day only, not on the window in
    which it is reported: amounts of any parts of a window add up to that of the window.
    """

    currency: str = USD
    dated: tuple[Rate, ...] = ()

    def on(self, day: date) -> Rate:
        """Return the rate of a UTC day."""
        return self.dated[self._position(day)] if self.dated else Rate()

    def convert(self, usd: Decimal, day: date) -> Decimal:
        """Convert an amount of a UTC day, without rounding."""
        return self.on(day).convert(usd)

    def between(self, first: date, last: date) -> tuple[Rate, ...]:
        """Return the rates of the UTC days from `first` to `last`, oldest first; none for USD."""
        return self.dated[self._position(first) : self._position(last) + 1] if self.dated else ()

    def daily(self, first: date, last: date) -> list[Decimal]:
        """Return the units per USD of each UTC day from `first` to `last`."""
        return [self.on(first + timedelta(days=number)).per_usd for number in range((last - first).days + 1)]

    def _position(self, day: date) -> int:
        return max(0, bisect_right(self.dated, day, key=lambda rate: rate.on or date.min) - 1)
