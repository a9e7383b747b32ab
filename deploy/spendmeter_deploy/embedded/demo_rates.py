"""Exchange rates of the demo: fictional, one per week, the same for every run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.fx import FxRate, import_rates, list_rates

_FIRST: Final = date(2024, 1, 1)
_WEEK: Final = timedelta(days=7)
_SOURCE: Final = "demo (fictional)"
_PER_USD: Final = {"EUR": Decimal("0.92"), "INR": Decimal("83.2")}
_DRIFT: Final = (0, 4, 7, 5, 9, 12, 8, 10, 6, 11, 15, 13, 9)
"""Thousandths above the base, by week, repeated."""


async def seed_rates(session: Session, *, end: datetime) -> None:
    """Store the rates up to `end`. A rate that is stored already stays. Raises `StoreError`."""
    known = {(rate.currency, rate.day) for rate in await list_rates(session)}
    missing = [rate for rate in demo_rates(end.date()) if (rate.currency, rate.day) not in known]
    await import_rates(session, missing, now=datetime.now(UTC))


def demo_rates(end: date) -> Iterator[FxRate]:
    """Yield the rate of each currency on each Monday until `end`."""
    for week in range((end - _FIRST).days // 7 + 1):
        factor = 1 + Decimal(_DRIFT[week % len(_DRIFT)]) / 1000
        for currency, base in _PER_USD.items():
            yield FxRate(_FIRST + week * _WEEK, currency, (base * factor).quantize(Decimal("0.0001")), _SOURCE)
