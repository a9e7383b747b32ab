"""Explain the rates in force for a kind of call at a time: the row of each unit, its factors and its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from spendmeter_clickhouse.prices.price_cards import StoredRate, decode
from spendmeter_stream.pricing.book.cards import is_open
from spendmeter_stream.pricing.book.index import CallKind
from spendmeter_stream.pricing.book.origins import LAYERS
from spendmeter_stream.pricing.book.price_book import PriceBook
from spendmeter_stream.pricing.book.resolve import Candidates, best_rows, factor_of, is_placed, rows_of
from spendmeter_stream.pricing.book.rows import Alias, DailyWindow, PriceRow
from spendmeter_stream.pricing.book.units import PICO


class RateInForce(NamedTuple):
    """One unit's rate and the reason for it."""

    unit: str
    usd: Fraction
    """USD for one of the unit; for one second of audio."""
    factor: Fraction
    """Product of the factors in `usd`."""
    row: PriceRow
    certain: bool
    """Whether the rate is certain at the call's place; see "Places" in docs/pricing.md."""

    @property
    def layer(self) -> str:
        return LAYERS[self.row.price.terms.layer]


class Explanation(NamedTuple):
    """The rates in force for a kind of call at a time."""

    provider: str | None
    """The book's name; None for an unknown provider."""
    alias: Alias | None
    """The period of the alias, if the model is a moving alias."""
    rates: list[RateInForce]


def explain(book: PriceBook, kind: CallKind, *, at_ms: int, prompt: int = 0) -> Explanation:
    """Return the rates in force at `at_ms` (Unix ms) for a prompt of `prompt` tokens."""
    provider = book.provider_name(kind.provider)
    candidates = book.candidates(kind)
    if provider is None or candidates is None:
        return Explanation(None, None, [])
    aliases = [each for each in book.aliases(provider, kind.model) if each.terms.applies_at(at_ms)]
    return Explanation(provider, aliases[0] if aliases else None, list(_rates(candidates, at_ms, prompt)))


def rates_at(book: PriceBook, kind: CallKind, *, at_ms: int, prompt: int = 0) -> Mapping[str, StoredRate]:
    """Return the rates by unit that the worker prices such a call with; none for an unpriced one."""
    timeline = book.timeline(kind)
    card = timeline.constant
    if card is None:
        (card,) = timeline.pick(np.array([at_ms], np.int64), np.array([prompt], np.int64)).tolist()
    return decode(book.cards.text(card)) if card else {}


def _rates(candidates: Candidates, at_ms: int, prompt: int) -> Iterator[RateInForce]:
    now = candidates.at(at_ms, rows_of(candidates))
    windows = {row.price.window for row in now.rows}
    opened: set[DailyWindow | None] = {each for each in windows if each is None or is_open(each, np.array([at_ms]))[0]}
    for unit, row in sorted(best_rows(now, opened, prompt).items()):
        factor = factor_of(row, now.multipliers)
        # Audio is counted in milliseconds.
        counted = 1_000 if unit == "audio_seconds" else 1
        certain = not now.unplaced or is_placed(row, now.multipliers)
        yield RateInForce(unit, row.rate.pico * factor * counted / PICO, factor, row, certain)
