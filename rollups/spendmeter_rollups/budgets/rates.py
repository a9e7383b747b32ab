"""Dated exchange rates: the rate of an answer, and new rates."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from spendmeter_clickhouse import Session
from spendmeter_rollups.catalogue.money import USD, Money, Rate, Rates
from spendmeter_rollups.problems import Fault, invalid_parameter
from spendmeter_rollups.query.lookups import currencies_of, known_currencies, rate_in_force, rates_of, stored_rates
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.scope import Scope

_CODE: Final = re.compile(r"^[A-Z]{3}$")


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 1, 1)
OWN: Final = "org"
"""The currency of the orgs of an answer, from the directory."""
_MOST_SHOWN: Final = 10

RateDay = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY, examples=["2026-11-01"])]
CurrencyCode = Annotated[str, BeforeValidator(_upper), StringConstraints(pattern=r"^[A-Z]{3}$")]


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


async def in_currency(reader: Reader, currency: str, scope: Scope) -> Scope:
    """Return `scope` with amounts in `currency`, or in that of its orgs. Raises `Problem` (422) without a rate."""
    if currency.lower() == OWN:
        return await _in_own_currency(reader, scope)
    rates = await _rates(reader, currency.upper())
    if rates is None:
        known = [f"{row['currency']} (since {row['since']})" for row in await reader.rows(known_currencies())]
        raise invalid_parameter("currency", f"no rate for {currency!r}", allowed=[USD, OWN, *known])
    return _at(rates, scope)


async def _in_own_currency(reader: Reader, scope: Scope) -> Scope:
    rows = await reader.rows(currencies_of(scope.filters.get("org_id")))
    if len(rows) > 1:
        shown = ", ".join(f"{row['currency']} ({row['example']})" for row in rows[:_MOST_SHOWN])
        return _in_usd(scope, f"the orgs have several currencies: {shown}; amounts are in USD. Request one org")
    if not rows:
        return _in_usd(scope, "no org is in the directory: amounts are in USD")
    rates = await _rates(reader, rows[0]["currency"])
    if rates is None:
        return _in_usd(scope, f"no rate for {rows[0]['currency']}, the currency of the org: amounts are in USD")
    return _at(rates, scope)


def _in_usd(scope: Scope, detail: str) -> Scope:
    return replace(scope, warnings=(*scope.warnings, Fault(parameter="currency", detail=detail)))


async def _rates(reader: Reader, currency: str) -> Rates | None:
    if currency == USD:
        return Rates()
    rows = await reader.rows(rates_of(currency)) if _CODE.match(currency) else []
    dated = [Rate(currency, row["per_usd"], row["rate_date"], row["source"]) for row in rows]
    return Rates(currency, tuple(dated)) if dated else None


def _at(rates: Rates, scope: Scope) -> Scope:
    converted = replace(scope, rates=rates)
    first, since = converted.days[0], rates.dated[0].on if rates.dated else None
    if since is None or since <= first:
        return converted
    detail = f"the first rate of {rates.currency} is dated {since}: it applies to the days before, too"
    return replace(converted, warnings=(*scope.warnings, Fault(parameter="currency", detail=detail)))


async def rate_on(reader: Reader, currency: str, day: date) -> Rate | None:
    """Return the newest rate dated on or before `day`, or None."""
    if currency == USD:
        return Rate()
    rows = await reader.rows(rate_in_force(currency, day)) if _CODE.match(currency) else []
    if not rows:
        return None
    (row,) = rows
    return Rate(currency=currency, per_usd=row["per_usd"], on=row["rate_date"], source=row["source"])


class RatesParams(BaseModel):
    """Filters of stored rates."""

    model_config = ConfigDict(extra="forbid")

    currency: Annotated[list[CurrencyCode], Field(max_length=100, description="default: all")] = []
    from_: Annotated[RateDay, Field(alias="from", description="first day")] = FIRST_DAY
    to: Annotated[RateDay, Field(description="last day")] = LAST_DAY
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0


class RatesAnswer(BaseModel):
    """Stored rates by currency, newest first. A rate applies from its day until the next one."""

    rates: list[RateAnswer]
    has_more: bool = Field(description="there are rates beyond offset + limit")


async def stored(reader: Reader, params: RatesParams) -> RatesAnswer:
    """Return a page of rates. Raises `StoreError`."""
    query = stored_rates(params.currency, params.from_, params.to, limit=params.limit + 1, offset=params.offset)
    rows = await reader.rows(query)
    return RatesAnswer(rates=[RateAnswer(**row) for row in rows[: params.limit]], has_more=len(rows) > params.limit)


async def write_rate(writer: Session, currency: str, rate_date: date, body: RateBody, *, now: datetime) -> RateAnswer:
    """Store a rate; the last one written for a day applies. Raises `Problem` for USD."""
    if currency == USD:
        raise invalid_parameter("currency", "USD is the base currency and has no rate")
    row = (currency, rate_date, body.per_usd, body.source, now)
    await writer.insert("fx_rates", [row], ["currency", "rate_date", "per_usd", "source", "updated_at"])
    return RateAnswer(currency=currency, rate_date=rate_date, per_usd=body.per_usd, source=body.source)
