"""SQL of amounts in another currency: each UTC day is converted at its own rate, without rounding."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from spendmeter_clickhouse.catalogue import MEASURES, STORED
from spendmeter_clickhouse.catalogue import USD as USD_TYPE
from spendmeter_rollups.catalogue.money import Rates
from spendmeter_rollups.problems import too_much

_MOST_DAYS: Final = 5_000
"""ClickHouse rejects HTTP parameters above 128 KiB; a rate has up to 25 characters."""


def is_amount(measure: str) -> bool:
    """Return whether `measure` is an amount of money."""
    return measure in MEASURES and MEASURES[measure].type == USD_TYPE


def rate_of_day(rates: Rates, time: str, days: tuple[date, date], name: str, parameters: dict[str, Any]) -> str:
    """Return the expression for the rate of the UTC day of `time`; add the rates of `days` to `parameters`.

    :param days: the first and the last day of the rows.

    Raises `Problem` (422) for more than `_MOST_DAYS` days.
    """
    first, last = days
    if (last - first).days >= _MOST_DAYS:
        raise too_much(f"a conversion covers at most {_MOST_DAYS:,} days: request a shorter window, or USD")
    parameters |= {f"{name}_rates": rates.daily(first, last), f"{name}_first_day": first}
    position = f"dateDiff('day', {{{name}_first_day:Date32}}, toDate32({time})) + 1"
    return f"arrayElement({{{name}_rates:Array(Decimal(38, 12))}}, {position})"


def converted_sum(measure: str, source: str, rate: str) -> str:
    """Return the sum of an amount over the rows of `source`, each multiplied by `rate`."""
    # A product of 128-bit decimals would overflow: its 24 decimals leave 14 digits.
    value = f"{source}.{measure}" if source != "event" and measure in STORED else MEASURES[measure].of_row()
    return f"sum(toDecimal256({value.replace('event.', f'{source}.')}, 12) * {rate})"
