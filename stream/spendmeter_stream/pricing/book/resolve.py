"""From the rows that can hold for a call to its cards by time, daily window and prompt length."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from spendmeter_stream.pricing.book.cards import UNKNOWN, Card, CardTable, Epoch, Rate, Timeline
from spendmeter_stream.pricing.book.rows import BEGINNING, FOREVER, Charging, Multiplier, Price, PriceRow, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Rows of one model, tier and region, at any time, with the factors on them and the call's own tags."""

    rows: list[PriceRow]
    multipliers: list[Multiplier]
    qualifiers: tuple[tuple[str, str], ...]


def timeline_of(candidates: Candidates, table: CardTable) -> Timeline:
    """The cards of these rows, numbered in `table`. Outside every row's time the card is the unknown one."""
    rows = [row for row in candidates.rows if _qualifies(row, candidates)]
    dated = [row.price.terms for row in rows] + [each.terms for each in candidates.multipliers]
    moments = {moment for terms in dated for moment in (terms.starts, terms.ends)}
    starts = sorted({BEGINNING, *moments} - {FOREVER})
    epochs = tuple(_epoch(_at(start, candidates, rows), table) for start in starts)
    numbers = np.concatenate([epoch.cards.ravel() for epoch in epochs])
    constant = int(numbers[0]) if (numbers == numbers[0]).all() else None
    return Timeline(starts=np.array(starts, np.int64), epochs=epochs, constant=constant)


def _qualifies(row: PriceRow, candidates: Candidates) -> bool:
    """Whether a call's tags choose this row among its unit's rows.

    Tags are compared only for the keys that some row of the unit asks for. All of them must be equal, so a
    size that the book does not know finds no rate, while a call that names none finds the row without `when`.
    """
    asked = {tag for other in candidates.rows if other.rate.unit == row.rate.unit for tag, _ in other.rate.when}
    return row.rate.when == tuple(pair for pair in candidates.qualifiers if pair[0] in asked)


def _at(moment: int, candidates: Candidates, rows: list[PriceRow]) -> Candidates:
    return Candidates(
        rows=[row for row in rows if row.price.terms.holds_at(moment)],
        multipliers=[each for each in candidates.multipliers if each.terms.holds_at(moment)],
        qualifiers=candidates.qualifiers,
    )


def _epoch(now: Candidates, table: CardTable) -> Epoch:
    windows = tuple(dict.fromkeys(row.price.window for row in now.rows if row.price.window is not None))
    contexts = sorted({row.price.min_context for row in now.rows} - {0})
    cards = [
        [table.add(_card(now, _opened(windows, bits), context)) for context in (0, *contexts)]
        for bits in range(1 << len(windows))
    ]
    return Epoch(windows=windows, contexts=np.array(contexts, np.int64), cards=np.array(cards, np.int64))


def _opened(windows: tuple[Window, ...], bits: int) -> set[Window | None]:
    return {None, *(window for bit, window in enumerate(windows) if bits >> bit & 1)}


def _card(now: Candidates, opened: set[Window | None], context: int) -> Card:
    best: dict[str, PriceRow] = {}
    for row in now.rows:
        if row.price.window in opened and row.price.min_context <= context:
            other = best.get(row.rate.unit)
            if other is None or _rank(row.price) > _rank(other.price):
                best[row.rate.unit] = row
    if not best:
        return UNKNOWN
    rates = tuple(
        (
            unit,
            Rate(pico=row.rate.pico * _factor(row, now.multipliers), charging=_counted(row)),
        )
        for unit, row in sorted(best.items())
    )
    return Card(rates=rates, free=all(row.price.free for row in best.values()))


def _counted(row: PriceRow) -> Charging:
    """Minimum and step as events count them: audio travels in milliseconds."""
    charging = row.price.charging
    if row.rate.unit != "audio_seconds":
        return charging
    return replace(charging, minimum=charging.minimum * 1_000, step=charging.step * 1_000)


def _rank(price: Price) -> tuple[bool, int, bool, bool, int]:
    """Which of two prices in force holds: a negotiated one, the higher layer, then the more special one."""
    terms = price.terms
    return bool(terms.org), terms.layer, bool(terms.regions), price.window is not None, price.min_context


def _factor(row: PriceRow, multipliers: list[Multiplier]) -> Fraction:
    """Region surcharges are for rates that name no region, and a negotiated rate is final."""
    if row.price.terms.org:
        return Fraction(1)
    highest: dict[tuple[str, bool], Multiplier] = {}
    for each in sorted(multipliers, key=lambda multiplier: multiplier.terms.layer):
        regional_twice = bool(each.terms.regions) and bool(row.price.terms.regions)
        if row.rate.unit in each.units and not regional_twice:
            highest[each.terms.org, bool(each.terms.regions)] = each
    return math.prod((each.factor for each in highest.values()), start=Fraction(1))
