"""Price cards as stored: the rates behind a cost, so that it can be explained after the price book has changed.

A card is stored once, before the first row that refers to it by `price_card`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Final

from spendmeter_clickhouse.store import Session

REPORTED: Final = "reported:"
"""Start of the price version of a call with the cost that its provider reports; the field it was read from follows."""

_FRACTIONS: Final = ("pico", "listed", "factor")
_LISTS: Final = ("models", "tiers", "regions", "factors", "unless")


@dataclass(frozen=True, slots=True, kw_only=True)
class RateOrigin:
    """The row of the price book behind a rate, and its factors."""

    row: str
    """File and line, or the key of a row of the price topic."""
    layer: str
    """seed, reviewed or topic."""
    models: tuple[str, ...]
    """Model patterns of the row."""
    serves: str = ""
    """The model that a moving alias served, if the row was reached through an alias."""
    starts: str = ""
    """ISO 8601; empty for a row without beginning."""
    ends: str = ""
    """ISO 8601, exclusive; empty for a row without end."""
    tiers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    negotiated: bool = False
    """Whether the row applies to one org."""
    min_context: int = 0
    """Minimum prompt length, in tokens."""
    daily_window: str = ""
    listed: Fraction = Fraction(0)
    """Pico-dollars per counted unit, without factors."""
    factor: Fraction = Fraction(1)
    factors: tuple[str, ...] = ()
    """Row and source of each factor."""
    source: str = ""
    verified_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRate:
    """The rate of one unit. Audio is counted in milliseconds, everything else in units."""

    unit: str
    pico: Fraction
    """Pico-dollars per counted unit, with factors."""
    minimum: int = 0
    step: int = 0
    """Counts are rounded up to a multiple of this; 0 bills them unchanged."""
    unless: tuple[str, ...] = ()
    """Units that replace this one."""
    place_unknown: bool = False
    lower_bound: bool = False
    origin: RateOrigin


def encode(rates: Iterable[StoredRate]) -> tuple[str, str]:
    """Return the id and the JSON text of a card. Equal cards have equal ids."""
    text = json.dumps([asdict(rate) for rate in rates], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16], text


def decode(text: str) -> dict[str, StoredRate]:
    """Return the rates of a card by unit, from the text of `encode`."""
    rates = (_typed(each) for each in json.loads(text))
    return {each["unit"]: StoredRate(**{**each, "origin": RateOrigin(**_typed(each["origin"]))}) for each in rates}


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    fractions = {name: Fraction(values[name]) for name in _FRACTIONS if name in values}
    return {**values, **fractions, **{name: tuple(values[name]) for name in _LISTS if name in values}}


async def write_cards(session: Session, cards: Mapping[str, str]) -> None:
    """Store cards by id. Storing one again changes nothing. Raises `StoreError`."""
    if cards:
        await session.insert("price_cards", list(cards.items()), ["card", "rates"])
