"""Rates and days of seed tests."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

JULY = date(2026, 7, 1)
TODAY = date(2026, 11, 22)


def rates(**each: str) -> tuple[tuple[str, str, Decimal], ...]:
    return tuple(("per_million", unit, Decimal(rate)) for unit, rate in sorted(each.items()))
