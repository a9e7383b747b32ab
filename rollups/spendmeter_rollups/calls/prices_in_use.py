"""The rates behind stored calls: one row per price card, model, tier and region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from spendmeter_clickhouse.prices.price_cards import StoredRate, decode
from spendmeter_rollups.calls.book_prices import PricedCall
from spendmeter_rollups.calls.call_statement import cards_in_use, price_cards
from spendmeter_rollups.calls.charge_lines import RateInUse, card_rates
from spendmeter_rollups.problems import Fault, invalid_parameter
from spendmeter_rollups.query.params import ScopeParams, Value
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.scope import Scope, find_zone, only_visible, parse_time
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.views.answers import Answer, frame

_NO_CALLS = "no call matches: request a longer window; `spendmeter prices show` has the rates of models without calls"


class PricesParams(ScopeParams):
    """Parameters of the rates in use."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0
    at: Annotated[
        Value | None,
        Field(
            description="ISO 8601: answer the rates of the price book at this time, for one `provider` and `model`;"
            " of the other parameters, `org` (its negotiated rates), `tz` and the next three apply"
        ),
    ] = None
    service_tier: Annotated[Value, Field(description="with `at`")] = "standard"
    region: Annotated[Value, Field(description="with `at`: region or deployment type")] = ""
    prompt_tokens: Annotated[int, Field(ge=0, le=2**40, description="with `at`: length of the prompt")] = 0


class PriceInUse(BaseModel):
    """The rates that one or more calls of a model, tier and region were priced with."""

    provider: str
    model: str = Field(description="as in events; `serves` of a rate names the model behind an alias")
    service_tier: str
    region: str
    repriced: bool = Field(description="true for the rates of a repricing; false for those at ingestion")
    calls: int = Field(description="calls, or adjustments of a repricing")
    first_use: datetime = Field(description="time of the first call in the window, with the offset of `tz`")
    last_use: datetime = Field(description="time of the last call in the window")
    statuses: list[str] = Field(description="`pricing_status` of the calls", examples=[["priced"]])
    reported: str = Field(description="`reported:` and a field if the cost is the provider's; else empty")
    price_card: str = Field(description="id of the stored rates; empty for calls without any rate")
    rates: list[RateInUse] | None = Field(description="USD in every currency; null if the rates are not stored")


class PricesAnswer(Answer):
    """Rates in use, by provider, model, tier, region and first use."""

    rows: list[PriceInUse]
    has_more: bool = Field(description="there are rows beyond offset + limit")


async def prices_in_use(usage: UsageReader, *, params: PricesParams) -> PricesAnswer:
    """Return the rates of the calls of `usage`. Reads raw events. Raises `StoreError`."""
    scope = usage.scope
    query = cards_in_use(scope.window, scope.filters, limit=params.limit + 1, offset=params.offset)
    rows = await usage.reader.rows(query)
    page = rows[: params.limit]
    stored = await usage.reader.rows(price_cards(row["card"] for row in page))
    cards = {row["card"]: decode(row["rates"]) for row in stored}
    found = frame(scope)
    found["warnings"] += _warnings(scope, params, found=bool(page))
    return PricesAnswer(**found, rows=[_row(row, cards, scope) for row in page], has_more=len(rows) > params.limit)


def priced_call(params: PricesParams, *, visible: tuple[str, ...] | None) -> PricedCall:
    """Return the call that `params` with `at` describe. Raises `Problem`."""
    provider, model, orgs = (tuple(getattr(params, name)) for name in ("provider", "model", "org"))
    for name, values in (("provider", provider), ("model", model)):
        if len(values) != 1:
            raise invalid_parameter(name, "required exactly once with 'at'")
    if len(orgs) > 1:
        raise invalid_parameter("org", "at most one with 'at'")
    if visible is not None:
        # An org that names none has its own rates, as its calls do.
        orgs = only_visible(orgs or None, visible)
    return PricedCall(
        provider=provider[0],
        model=model[0],
        at=parse_time("at", params.at or "", find_zone(params.tz)),
        service_tier=params.service_tier,
        region=params.region,
        org=orgs[0] if orgs else "",
        prompt_tokens=params.prompt_tokens,
    )


def _warnings(scope: Scope, params: PricesParams, *, found: bool) -> Iterator[Fault]:
    kept = scope.span.raw_from
    if kept is not None and scope.window.start < kept:
        yield Fault(parameter="from", detail=f"calls before {kept:%Y-%m-%d} were deleted: their rates are left out")
    if not found and not params.offset:
        yield from (Fault(parameter=name, detail=_NO_CALLS) for name in ("provider", "model") if getattr(params, name))


def _row(row: Row, cards: Mapping[str, Mapping[str, StoredRate]], scope: Scope) -> PriceInUse:
    card = row["card"]
    # A call without any rate has no card.
    rates = cards.get(card) if card else {}
    return PriceInUse(
        **{
            name: row[name] for name in PriceInUse.model_fields if name in row and name not in ("first_use", "last_use")
        },
        first_use=row["first_use"].astimezone(scope.zone),
        last_use=row["last_use"].astimezone(scope.zone),
        price_card=card,
        rates=None if rates is None else card_rates(rates),
    )
