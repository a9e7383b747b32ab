"""Prices of the book at a time, and changes of the book. The process that runs this service provides the book."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from spendmeter_clickhouse.prices.price_cards import StoredRate
from spendmeter_rollups.calls.charge_lines import RateInUse, card_rates
from spendmeter_rollups.problems import Problem
from spendmeter_rollups.query.params import Value


class PricedCall(NamedTuple):
    """What a price depends on."""

    provider: str
    model: str
    at: datetime
    service_tier: str
    region: str
    org: str
    prompt_tokens: int


class BookRates(NamedTuple):
    """The rates of a call, by unit, and the version of the book that has them. No rates: the call is unpriced."""

    version: str
    rates: Mapping[str, StoredRate]


class PutRow(NamedTuple):
    """A row that was checked, and published unless it was a dry run."""

    version: str
    earlier: Mapping[str, Any] | None
    """The row of the same key before."""


class PriceDesk(Protocol):
    """The price book of this process, and the topic that changes it."""

    async def rates(self, call: PricedCall) -> BookRates:
        """Return the rates in force. Raises `Problem` (503) if the rows of the topic were not read yet."""
        ...

    async def put(self, key: str, row: Mapping[str, Any] | None, *, dry_run: bool) -> PutRow:
        """Check a row against the book, and publish it; None removes the row of `key`.

        :raises Problem: 422 for a row that the book rejects, 404 for a key without a row to remove, 503 without Kafka.
        """
        ...

    def key_of(self, row: Mapping[str, Any]) -> str:
        """Return the default key of a row."""
        ...


class BookPricesAnswer(BaseModel):
    """The rates that a call at this time is priced with."""

    provider: str
    model: str
    at: datetime
    service_tier: str
    region: str
    org: str = Field(description="its negotiated rates apply; empty: list prices")
    prompt_tokens: int = Field(description="long prompts may have other rates")
    price_version: str = Field(description="version of the price book")
    rates: list[RateInUse] = Field(description="USD, by unit; empty: the call is unpriced")


class RowBody(BaseModel):
    """A row of the price book to set or to remove."""

    model_config = ConfigDict(extra="forbid")

    row: dict[str, Any] | None = Field(
        description="as in a price file, with its provider; null removes the row of `key`"
    )
    key: Annotated[
        Value, Field(description="a row replaces the earlier one of its key; empty: derived from the row")
    ] = ""
    dry_run: Annotated[bool, Field(description="check the row without publishing it")] = False


class RowAnswer(BaseModel):
    """A row that the book accepts."""

    key: str
    row: dict[str, Any] | None
    replaced: dict[str, Any] | None = Field(description="the earlier row of the key")
    published: bool = Field(description="false for a dry run")
    price_version: str = Field(description="version of the price book with this change; workers use it within seconds")


async def book_prices(desk: PriceDesk, call: PricedCall) -> BookPricesAnswer:
    """Return the rates of the book for a call. Raises `Problem`."""
    version, rates = await desk.rates(call)
    return BookPricesAnswer(**call._asdict(), price_version=version, rates=card_rates(rates))


async def put_row(desk: PriceDesk, body: RowBody) -> RowAnswer:
    """Check a row and publish it. Raises `Problem`."""
    key = body.key or (desk.key_of(body.row) if body.row is not None else "")
    if not key:
        raise Problem(
            status=422, kind="invalid-parameter", title="Invalid parameter", detail="key: required to remove a row"
        )
    version, earlier = await desk.put(key, body.row, dry_run=body.dry_run)
    replaced = None if earlier is None else dict(earlier)
    return RowAnswer(key=key, row=body.row, replaced=replaced, published=not body.dry_run, price_version=version)


def without_book() -> Problem:
    """Return the problem of a service that runs without a price book."""
    return Problem(
        status=404,
        kind="no-price-book",
        title="No price book",
        detail="this query service runs without Kafka: set SPENDMETER_BOOTSTRAP for it, or use `spendmeter prices`",
    )
