"""Typed values out of one block, with every fault noted instead of raised."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from spendmeter_stream.pricing.book.documents import Block
from spendmeter_stream.pricing.book.rows import BEGINNING, Fault

_TOO_MUCH: Final = 10**9
"""No unit costs a billion dollars, and none below that can overflow the store's 38 digits."""


class BlockReader:
    """Reads the keys of a block. A wrong value is noted in `faults`, and a harmless one stands in."""

    def __init__(self, *, block: Block, faults: list[Fault]) -> None:
        self.block = block
        self._faults = faults

    def fault(self, key: str, message: str) -> None:
        self._faults.append(Fault(self.block.place(key), message))

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
            self.fault(key, f"{key!r} must be a text" if key in self.block.data else f"{key!r} is missing")
            return ""
        return value

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        values = self.block.data.get(key, [])
        if not values and not required and values == []:
            return ()
        if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
            self.fault(key, f"{key!r} must be a list of texts")
            return ()
        if required and not values:
            self.fault(key, f"{key!r} must name at least one")
        if len(set(values)) < len(values):
            self.fault(key, f"{key!r} names one twice")
        return tuple(values)

    def table(self, key: str) -> Mapping[str, Any]:
        value = self.block.data.get(key, {})
        if not isinstance(value, dict):
            self.fault(key, f"{key!r} must be a table")
            return {}
        return value

    def number(self, key: str, value: object) -> Fraction:
        """A non-negative exact number: TOML's own, or a text, since JSON would lose digits. Never a float."""
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

    def moment(self, key: str, default: int | None = None) -> int:
        """Unix milliseconds of a timestamp with a zone; a bare day is refused, since it names no instant."""
        value = self.block.data.get(key)
        if value is None and default is not None:
            return default
        if value == "beginning" and key == "from":
            return BEGINNING
        moment = _datetime(value)
        if moment is None or moment.tzinfo is None:
            self.fault(key, f"{key!r} must be a timestamp with a zone such as 2026-01-31T00:00:00Z, not {value}")
            return 0
        return round(moment.timestamp() * 1000)

    def day(self, key: str) -> str:
        value = self.block.data.get(key)
        day = _date(value)
        if day is None:
            self.fault(key, f"{key!r} must be a day such as 2026-01-31" + ("" if value else ", and is missing"))
            return ""
        return day.isoformat()

    def minute(self, key: str, value: object) -> int:
        try:
            moment = time.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            moment = None
        if not isinstance(moment, time):
            self.fault(key, f"{value!r} is not a time of day such as 01:00")
            return 0
        return moment.hour * 60 + moment.minute


def hint(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known word is near."""
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
