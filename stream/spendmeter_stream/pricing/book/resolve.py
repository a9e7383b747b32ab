"""Resolve price rows to cards by time, daily window and prompt length."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from spendmeter_events.usage_units import AS_TEXT, UNCACHED
from spendmeter_stream.pricing.book.cards import UNKNOWN, Card, CardRate, CardTable, Epoch, Timeline
from spendmeter_stream.pricing.book.origins import origin_of
from spendmeter_stream.pricing.book.rows import (
    BEGINNING,
    FOREVER,
    ROWS_LAYER,
    Charging,
    DailyWindow,
    Multiplier,
    Price,
    PriceRow,
)
from spendmeter_stream.pricing.book.units import REPLACED


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Rows of one model, tier and region, at any time, with their multipliers and the call's tags."""

    rows: list[PriceRow]
    multipliers: list[Multiplier]
    qualifiers: tuple[tuple[str, str], ...]
    unplaced: bool = False
    """The call names a place and prices differ by place: only rows and factors that name the place are certain."""

    def at(self, time_ms: int, rows: list[PriceRow]) -> Candidates:
        """Return the candidates in force at a time, with those of `rows`."""
        return replace(
            self,
            rows=[row for row in rows if row.price.terms.applies_at(time_ms)],
            multipliers=[each for each in self.multipliers if each.terms.applies_at(time_ms)],
        )


def timeline_of(candidates: Candidates, table: CardTable) -> Timeline:
    """Return the cards of these rows by time, numbered in `table`. Times that no row covers have the unknown card."""
    rows = rows_of(candidates)
    dated = [row.price.terms for row in rows] + [each.terms for each in candidates.multipliers]
    # Multipliers split epochs too: a surcharge that starts within the period of a rate changes the card.
    boundaries = {boundary for terms in dated for boundary in (terms.starts, terms.ends)}
    starts = sorted({BEGINNING, *boundaries} - {FOREVER})
    epochs = tuple(_epoch(candidates.at(start, rows), table) for start in starts)
    # One card at all times is the common case; price_chunk then skips the lookup by time.
    numbers = np.concatenate([epoch.cards.ravel() for epoch in epochs])
    constant = int(numbers[0]) if (numbers == numbers[0]).all() else None
    return Timeline(starts=np.array(starts, np.int64), epochs=epochs, constant=constant)


def rows_of(candidates: Candidates) -> list[PriceRow]:
    """Return the rows that the call's tags select."""
    return [row for row in candidates.rows if _qualifies(row, candidates)]


def _qualifies(row: PriceRow, candidates: Candidates) -> bool:
    """Return whether the call's tags select this row among the rows of its unit.

    Only tag keys that some row of the unit mentions are compared, and all must be equal. An unknown image size
    therefore finds no rate, and a call without tags finds the row without `when`.
    """
    # Keys of other units are ignored: an image's size must not hide the rate of a tool call.
    relevant = {tag for other in candidates.rows if other.rate.unit == row.rate.unit for tag, _ in other.rate.when}
    return row.rate.when == tuple(pair for pair in candidates.qualifiers if pair[0] in relevant)


def _epoch(now: Candidates, table: CardTable) -> Epoch:
    windows = tuple(dict.fromkeys(row.price.window for row in now.rows if row.price.window is not None))
    # 0 is not a threshold: every prompt reaches it, and searchsorted would count it as a level.
    contexts = sorted({row.price.min_context for row in now.rows} - {0})
    # One row per combination of open windows; daily windows of a model are few, so 2**n stays small.
    cards = [
        [table.add(_card(now, _open_windows(windows, bits), context)) for context in (0, *contexts)]
        for bits in range(1 << len(windows))
    ]
    return Epoch(windows=windows, contexts=np.array(contexts, np.int64), cards=np.array(cards, np.int64))


def _open_windows(windows: tuple[DailyWindow, ...], bits: int) -> set[DailyWindow | None]:
    # None stands for rows without a daily window: they apply at any hour.
    return {None, *(window for bit, window in enumerate(windows) if bits >> bit & 1)}


def best_rows(now: Candidates, open_windows: set[DailyWindow | None], context: int) -> dict[str, PriceRow]:
    """Return the row in force of each unit; the row of text for units that the model bills as text."""
    best: dict[str, PriceRow] = {}
    # Each unit keeps its own best row: a long-prompt row for input must not drop the output rate.
    for row in now.rows:
        if row.price.window in open_windows and row.price.min_context <= context:
            other = best.get(row.rate.unit)
            if other is None or _rank(row.price) > _rank(other.price):
                best[row.rate.unit] = row
    own = set(best)
    for unit, text in AS_TEXT.items():
        # Not for cached images of a model with a rate for images: their rate is unknown, and not that of text.
        if text in own and own.isdisjoint((unit, UNCACHED.get(unit, unit))):
            best[unit] = best[text]
    return best


def _card(now: Candidates, open_windows: set[DailyWindow | None], context: int) -> Card:
    best = best_rows(now, open_windows, context)
    if not best:
        return UNKNOWN
    rates = tuple((unit, _card_rate(row, now)) for unit, row in sorted(best.items()))
    # Free only if every rate is: a paid row over a free model must not be reported as free.
    return Card(rates=rates, free=all(row.price.free for row in best.values()))


def _card_rate(row: PriceRow, now: Candidates) -> CardRate:
    factor = factor_of(row, now.multipliers)
    return CardRate(
        pico=row.rate.pico * factor,
        charging=_charging_as_counted(row),
        place_unknown=now.unplaced and not is_placed(row, now.multipliers),
        lower_bound=row.price.lower_bound,
        origin=origin_of(row, factors_on(row, now.multipliers), factor),
    )


def is_placed(row: PriceRow, multipliers: list[Multiplier]) -> bool:
    """Return whether a rate is certain at the place: it or a factor in force names the place, or it is final."""
    terms = row.price.terms
    final = bool(terms.org or terms.regions) or terms.layer >= ROWS_LAYER or row.price.free
    return final or any(each.terms.regions and row.rate.unit in each.units for each in multipliers)


def _charging_as_counted(row: PriceRow) -> Charging:
    """Return minimum and step in the unit that events count, milliseconds for audio, and all replaced units."""
    charging = row.price.charging
    if row.rate.unit in REPLACED:
        charging = replace(charging, unless=charging.unless | {REPLACED[row.rate.unit]})
    if row.rate.unit != "audio_seconds":
        return charging
    return replace(charging, minimum=charging.minimum * 1_000, step=charging.step * 1_000)


def _rank(price: Price) -> tuple[bool, int, bool, bool, int]:
    """Return the sort key of prices in force: negotiated first, then the higher layer, then the more specific."""
    terms = price.terms
    return bool(terms.org), terms.layer, bool(terms.regions), price.window is not None, price.min_context


def factors_on(row: PriceRow, multipliers: list[Multiplier]) -> list[Multiplier]:
    """Return the multipliers on a rate. A negotiated rate has none."""
    if row.price.terms.org:
        return []
    # Sorted by layer, so a multiplier of a higher layer replaces the one below instead of compounding.
    highest: dict[tuple[str, bool], Multiplier] = {}
    for each in sorted(multipliers, key=lambda multiplier: multiplier.terms.layer):
        # A rate that names its region already includes the region's surcharge.
        regional_twice = bool(each.terms.regions) and bool(row.price.terms.regions)
        if row.rate.unit in each.units and not regional_twice:
            highest[each.terms.org, bool(each.terms.regions)] = each
    return list(highest.values())


def factor_of(row: PriceRow, multipliers: list[Multiplier]) -> Fraction:
    """Return the product of the multipliers on a rate."""
    return math.prod((each.factor for each in factors_on(row, multipliers)), start=Fraction(1))
