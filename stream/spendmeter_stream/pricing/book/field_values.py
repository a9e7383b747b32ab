"""Read typed values from a block, and collect faults instead of raising."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from spendmeter_stream.pricing.book.documents import Block
from spendmeter_stream.pricing.book.rows import BEGINNING, BookFault

_TOO_MUCH: Final = 10**9
"""Upper bound of a rate, USD. Rates below it cannot overflow the store's 38 digits."""


class BlockReader:
    """Read the keys of a block. An invalid value adds a fault and reads as an empty or zero default."""

    def __init__(self, *, block: Block, faults: list[BookFault]) -> None:
        self.block = block
        self._faults = faults

    def fault(self, key: str, message: str) -> None:
        self._faults.append(BookFault(self.block.place(key), message))

    def has(self, *keys: str) -> bool:
        return any(key in self.block.data for key in keys)

    def only(self, known: Collection[str]) -> None:
        for key in self.block.data:
            if key not in known:
                self.fault(key, f"unknown key {key!r}{hint(key, known)}")

    def one_of(self, key: str, value: str, known: Collection[str], what: str) -> str:
        if value not in known:
            self.fault(key, f"unknown {what} {value!r}{hint(value, known)}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self.block.data.get(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            required = "a non-empty string" if default is None else "a string"
            self.fault(key, f"{key!r} must be {required}" if key in self.block.data else f"{key!r} is missing")
            return ""
        return value

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        values = self.block.data.get(key, [])
        if not values and not required and values == []:
            return ()
        if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
            self.fault(key, f"{key!r} must be a list of strings")
            return ()
        if required and not values:
            self.fault(key, f"{key!r} must not be empty")
        if len(set(values)) < len(values):
            self.fault(key, f"{key!r} has a duplicate")
        return tuple(values)

    def table(self, key: str) -> Mapping[str, Any]:
        value = self.block.data.get(key, {})
        if not isinstance(value, dict):
            self.fault(key, f"{key!r} must be a table")
            return {}
        return value

    def number(self, key: str, value: object) -> Fraction:
        """Return an exact non-negative number from a TOML number or a string; JSON numbers would lose digits."""
        exact = _fraction(value) if isinstance(value, Decimal | str | int) else None
        if exact is None or isinstance(value, bool):
            self.fault(key, f"{value} is not a decimal number from 0 to a billion")
            return Fraction(0)
        return exact

    def count(self, key: str) -> int:
        value = self.block.data.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.fault(key, f"{key!r} must be a whole number, not {value}")
            return 0
        return value

    def flag(self, key: str) -> bool:
        value = self.block.data.get(key, False)
        if not isinstance(value, bool):
            self.fault(key, f"{key!r} must be true or false")
        return value is True

    def timestamp(self, key: str, default: int | None = None) -> int:
        """Return the Unix milliseconds of a timestamp with a zone. A date without a time is invalid."""
        value = self.block.data.get(key)
        if value is None and default is not None:
            return default
        if value == "beginning" and key == "from":
            return BEGINNING
        parsed = _datetime(value)
        if parsed is None or parsed.tzinfo is None:
            self.fault(key, f"{key!r} must be a timestamp with a zone such as 2026-01-31T00:00:00Z, not {value}")
            return 0
        return round(parsed.timestamp() * 1000)

    def day(self, key: str) -> str:
        value = self.block.data.get(key)
        day = _date(value)
        if day is None:
            self.fault(key, f"{key!r} must be a day such as 2026-01-31" + ("" if value else ", and is missing"))
            return ""
        return day.isoformat()

    def minute(self, key: str, value: object) -> int:
        try:
            parsed = time.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            parsed = None
        if not isinstance(parsed, time):
            self.fault(key, f"{value!r} is not a time of day such as 01:00")
            return 0
        return parsed.hour * 60 + parsed.minute


def hint(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or an empty string if no known word is close."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


@lru_cache(maxsize=4096)
def _fraction(value: Decimal | str | int) -> Fraction | None:
    try:
        exact = Decimal(value)
    except InvalidOperation:
        return None
    return Fraction(exact) if exact.is_finite() and 0 <= exact < _TOO_MUCH else None


def _datetime(value: object) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return parsed if isinstance(parsed, datetime) else None


def _date(value: object) -> date | None:
    try:
        parsed = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return parsed if isinstance(parsed, date) and not isinstance(parsed, datetime) else None
