"""One call and its cost, explained: the arithmetic at the prices in force then, and every adjustment since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from spendmeter_clickhouse.catalogue import COST_COLUMNS
from spendmeter_clickhouse.prices.price_cards import REPORTED, StoredRate, decode
from spendmeter_events.usage_units import UNITS
from spendmeter_rollups.calls.call_statement import adjustment_rows, call_row, place_of_call, price_cards, time_in
from spendmeter_rollups.calls.charge_lines import ChargeLine, charge_lines, reported_line, total
from spendmeter_rollups.calls.log import CallRow
from spendmeter_rollups.catalogue.money import Money
from spendmeter_rollups.problems import Problem, not_found
from spendmeter_rollups.query.reader import Reader, Row
from spendmeter_rollups.views.directory_names import CALL_NAMES, names_of_calls

_PRICING: Final = ("pricing_status", "unpriced_units", "price_version", "price_card", "ingested_at")
_EXACT: Final = Context(prec=80)


class CallDetails(CallRow):
    """The call as stored, with names from the directory."""

    service_tier: str
    region: str
    provider_cost: Money | None = Field(description="USD, as reported by the provider")
    tags: dict[str, str]
    ingested_at: datetime


class PricedAt(BaseModel):
    """A cost and its arithmetic, in USD."""

    price_version: str = Field(description="version of the price book")
    pricing_status: str
    unpriced_units: list[str]
    cost: Money
    lines: list[ChargeLine] | None = Field(description="null if the rates are not stored")
    exact: bool | None = Field(description="whether the lines add up to `cost`; null without lines")


class Estimate(PricedAt):
    """The cost at ingestion, with the prices in force when the call occurred."""

    input_cost: Money
    cache_read_cost: Money
    cache_write_cost: Money
    output_cost: Money
    audio_cost: Money
    unit_cost: Money
    cache_savings: Money


class AppliedAdjustment(PricedAt):
    """A repricing of the call. `cost` and its lines are those after it."""

    number: int = Field(description="1 for the first")
    at: datetime
    difference: Money


class ExplainedCall(BaseModel):
    """One call with the arithmetic of its cost. All amounts are in USD."""

    call: CallDetails
    estimate: Estimate
    adjustments: list[AppliedAdjustment] = Field(description="oldest first")
    current_cost: Money = Field(description="the estimate plus all differences; other answers sum this amount")


async def explain_call(reader: Reader, event_id: UUID, orgs: Sequence[str] | None) -> ExplainedCall:
    """Explain a call of `orgs` (None: any). The id of an adjustment selects its call.

    :raises Problem: 404, no such call is visible. :raises StoreError: the query failed.
    """
    place = await _place(reader, event_id, orgs)
    columns = dict.fromkeys((*CallDetails.model_fields, *_PRICING, *COST_COLUMNS))
    selected = [name for name in columns if name not in CALL_NAMES]
    found = (place["org_id"], place["call_id"], place["at"])
    rows = await reader.rows(call_row(*found, selected))
    if not rows:
        raise _unknown()
    changes = await reader.rows(adjustment_rows(*found, ("adjustment", "cost", *_PRICING)))
    cards = await reader.rows(price_cards(row["price_card"] for row in (*rows, *changes)))
    call = await _named(reader, rows[0])
    return _explained(call, changes, {row["card"]: decode(row["rates"]) for row in cards})


async def _place(reader: Reader, event_id: UUID, orgs: Sequence[str] | None) -> Row:
    # Most ids contain their time, and its hours are read in milliseconds; a search by id alone reads every id.
    for near in dict.fromkeys((time_in(event_id), None)):
        if found := await reader.rows(place_of_call(event_id, orgs, near=near)):
            return found[0]
    raise _unknown()


async def _named(reader: Reader, row: Row) -> Row:
    return {**row, **(await names_of_calls(reader, [row])).of_call(row)}


def _unknown() -> Problem:
    return not_found("event_id", "unknown call")


def _explained(row: Row, changes: Sequence[Row], cards: Mapping[str, Mapping[str, StoredRate]]) -> ExplainedCall:
    counts = {unit.name: Decimal(row[unit.name]) for unit in UNITS}
    cost = row["cost"]
    estimate = Estimate(
        **{name: row[name] for name in COST_COLUMNS if name != "cost"}, **_priced(row, cost, counts, cards)
    )
    adjustments = []
    for change in changes:
        cost = _EXACT.add(cost, change["cost"])
        adjustments.append(
            AppliedAdjustment(
                number=change["adjustment"],
                at=change["ingested_at"],
                difference=change["cost"],
                **_priced(change, cost, counts, cards),
            )
        )
    details = CallDetails(**{name: row[name] for name in CallDetails.model_fields})
    return ExplainedCall(call=details, estimate=estimate, adjustments=adjustments, current_cost=cost)


def _priced(
    row: Row, cost: Decimal, counts: Mapping[str, Decimal], cards: Mapping[str, Mapping[str, StoredRate]]
) -> dict[str, Any]:
    card = row["price_card"]
    # A call without any rate has no card: its lines have no rates.
    rates = cards.get(card) if card or not row["price_version"] else {}
    lines = None if rates is None else charge_lines(counts, rates)
    if row["price_version"].startswith(REPORTED):
        lines = [reported_line(row["price_version"], cost)]
    return {
        **{name: row[name] for name in ("price_version", "pricing_status", "unpriced_units")},
        "cost": cost,
        "lines": lines,
        "exact": None if lines is None else total(lines) == cost,
    }
