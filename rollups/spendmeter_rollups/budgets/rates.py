"""Dated exchange rates: the rate of an answer, and new rates."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from spendmeter_clickhouse import Session
from spendmeter_rollups.catalogue.money import USD, Money, Rate
from spendmeter_rollups.problems import invalid_parameter
from spendmeter_rollups.query.lookups import known_currencies, rate_in_force
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.windows import local_date


class RateBody(BaseModel):
    """The rate of one day."""

    model_config = ConfigDict(extra="forbid")

    per_usd: Decimal = Field(
        gt=0, max_digits=24, decimal_places=12, description="units of the currency per USD", examples=["88.5"]
    )
    source: str = Field(default="", max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["ECB"])


class RateAnswer(BaseModel):
    """A stored rate."""

    currency: str
    rate_date: date
    per_usd: Money
    source: str


_CODE: Final = re.compile(r"^[A-Z]{3}$")


async def find_rate(reader: Reader, currency: str, scope: Scope) -> Rate:
    """Return the rate in force on the last day of the window, so that later rates do not change past reports.

    Raises `Problem` for a currency without a rate on or before that day.
    """
    last_day = local_date(scope.window.end - timedelta(milliseconds=1), scope.zone)
    rate = await rate_on(reader, currency, last_day)
    if rate is None:
        known = [f"{row['currency']} (since {row['since']})" for row in await reader.rows(known_currencies())]
        raise invalid_parameter("currency", f"no rate for {currency!r} on or before {last_day}", allowed=[USD, *known])
    return rate


async def rate_on(reader: Reader, currency: str, day: date) -> Rate | None:
    """Return the newest rate dated on or before `day`, or None."""
    if currency == USD:
        return Rate()
    rows = await reader.rows(rate_in_force(currency, day)) if _CODE.match(currency) else []
    if not rows:
        return None
    (row,) = rows
    return Rate(currency=currency, per_usd=row["per_usd"], on=row["rate_date"], source=row["source"])


async def write_rate(writer: Session, currency: str, rate_date: date, body: RateBody, *, now: datetime) -> RateAnswer:
    """Store a rate; the last one written for a day applies. Raises `Problem` for USD."""
    if currency == USD:
        raise invalid_parameter("currency", "USD is the base currency and has no rate")
    row = (currency, rate_date, body.per_usd, body.source, now)
    await writer.insert("fx_rates", [row], ["currency", "rate_date", "per_usd", "source", "updated_at"])
    return RateAnswer(currency=currency, rate_date=rate_date, per_usd=body.per_usd, source=body.source)
