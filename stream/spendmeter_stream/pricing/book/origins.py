"""The origin of a rate, as plain values: row, layer, alias, factors, source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from spendmeter_clickhouse.prices.price_cards import RateOrigin
from spendmeter_stream.pricing.book.rows import BEGINNING, FOREVER, DailyWindow, Multiplier, PriceRow, Terms

LAYERS: Final = ("seed", "reviewed", "topic")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def origin_of(row: PriceRow, factors: Sequence[Multiplier], factor: Fraction) -> RateOrigin:
    """Return the origin of a rate of `row` times `factor`, the product of `factors`."""
    price, terms = row.price, row.price.terms
    return RateOrigin(
        row=str(terms.place),
        layer=LAYERS[terms.layer],
        models=price.patterns,
        serves=terms.serves,
        starts=time_text(terms.starts),
        ends=time_text(terms.ends),
        tiers=terms.tiers,
        regions=terms.regions,
        negotiated=bool(terms.org),
        min_context=price.min_context,
        daily_window=window_text(price.window) if price.window else "",
        listed=row.rate.pico,
        factor=factor,
        factors=tuple(_factor_text(each) for each in factors),
        source=terms.source,
        verified_at=terms.verified_at,
    )


def time_text(time_ms: int) -> str:
    """Return a time of a row as ISO 8601 in UTC; empty for a row without beginning or end."""
    if time_ms in (BEGINNING, FOREVER):
        return ""
    try:
        return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}"
    except (ValueError, OverflowError, OSError):
        # An offset can move a time out of the years that datetime has.
        return "beyond the calendar"


def _factor_text(each: Multiplier) -> str:
    terms: Terms = each.terms
    return f"{each.factor} {terms.place} ({terms.source})"


def window_text(window: DailyWindow) -> str:
    """Return a daily window as text."""
    start, end = (f"{minute // 60:02}:{minute % 60:02}" for minute in (window.start_minute, window.end_minute))
    days = "daily" if len(window.weekdays) == 7 else ",".join(_DAYS[day] for day in sorted(window.weekdays))
    return f"{start}-{end} UTC {days}"
