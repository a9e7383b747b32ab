"""SQL of amounts in another currency: each UTC day of a piece is converted at its own rate, without rounding."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from spendmeter_clickhouse.catalogue import MEASURES, STORED
from spendmeter_clickhouse.catalogue import USD as USD_TYPE
from spendmeter_rollups.catalogue.money import Rates
from spendmeter_rollups.problems import too_much
from spendmeter_rollups.query.planner import Piece

_MOST_DAYS: Final = 5_000
"""ClickHouse rejects HTTP parameters above 128 KiB; a rate has up to 25 characters."""
_TICK: Final = timedelta(milliseconds=1)


def is_amount(measure: str) -> bool:
    """Return whether `measure` is an amount of money."""
    return measure in MEASURES and MEASURES[measure].type == USD_TYPE


def rate_of_day(rates: Rates, piece: Piece, name: str, parameters: dict[str, Any]) -> str:
    """Return the expression for the rate of a row's UTC day in `piece`; add the rates to `parameters`.

    Raises `Problem` (422) for a piece of more than `_MOST_DAYS` days.
    """
    first, last = piece.ranges[0].start.date(), (piece.ranges[-1].end - _TICK).date()
    if (last - first).days >= _MOST_DAYS:
        raise too_much(f"a conversion covers at most {_MOST_DAYS:,} days: request a shorter window, or USD")
    parameters |= {f"{name}_rates": rates.daily(first, last), f"{name}_first_day": first}
    time = piece.rollup.time if piece.rollup else "event.occurred_at"
    position = f"dateDiff('day', {{{name}_first_day:Date32}}, toDate32({time})) + 1"
    return f"arrayElement({{{name}_rates:Array(Decimal(38, 12))}}, {position})"


def converted_sum(measure: str, source: str, rate: str) -> str:
    """Return the sum of an amount over the rows of `source`, each multiplied by `rate`."""
    # A product of 128-bit decimals would overflow: its 24 decimals leave 14 digits.
    value = f"{source}.{measure}" if source != "event" and measure in STORED else MEASURES[measure].of_row()
    return f"sum(toDecimal256({value.replace('event.', f'{source}.')}, 12) * {rate})"
