"""Use the cost that a provider or gateway reports for calls that the book cannot price at all."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from spendmeter_clickhouse.prices.price_cards import REPORTED
from spendmeter_stream.pricing.book.units import COST_SOURCE_TAG, USAGE_TAG
from spendmeter_stream.pricing.engine.arrow import Column

_FIELD: Final = "provider_cost_usd"
_MAX_NAME: Final = 64


def with_reported_costs(priced: dict[str, Column], columns: Mapping[str, Any]) -> dict[str, Column]:
    """Return the cost columns with reported costs, as `unit_cost`, where the book has no rate for any unit.

    A known rate always wins, even if it prices a part of the call only. A cost of 0 is not used: gateways also report
    it for models that they do not know.
    """
    reported = columns.get("provider_cost")
    if reported is None or reported.null_count == len(reported):
        return priced
    unpriced = pc.equal(priced["pricing_status"], pa.scalar("unpriced"))
    charged = pc.fill_null(pc.greater(reported, pa.scalar(Decimal(0))), pa.scalar(False))
    usable: Any = pc.and_(unpriced, charged)
    rows = pc.indices_nonzero(usable).to_pylist()
    if not rows:
        return priced
    result = dict(priced)
    for name in ("unit_cost", "cost"):
        result[name] = pc.if_else(usable, reported, priced[name])
    columns_of_text = ("pricing_status", "price_version", "price_card", "unpriced_units")
    texts = {name: priced[name].to_pylist() for name in columns_of_text}
    counters = {name: priced[name].to_pylist() for name in ("partial_requests", "unpriced_requests")}
    for row in rows:
        tags = columns["tags"][row]
        incomplete = USAGE_TAG in tags
        texts["pricing_status"][row] = "partial" if incomplete else "priced"
        texts["unpriced_units"][row] = [USAGE_TAG] if incomplete else []
        texts["price_card"][row] = ""
        texts["price_version"][row] = REPORTED + tags.get(COST_SOURCE_TAG, _FIELD)[:_MAX_NAME]
        counters["partial_requests"][row], counters["unpriced_requests"][row] = int(incomplete), 0
    result |= {name: pa.array(values, priced[name].type) for name, values in (texts | counters).items()}
    return result
