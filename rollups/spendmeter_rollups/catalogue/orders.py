"""Orders of ranked rows: the expression over summed measures that each column of a table sorts by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spendmeter_clickhouse.catalogue import ROW_MEASURES, USERS
from spendmeter_events.usage_units import CACHE_READS, COMPLETION_TOKENS, PROMPT_TOKENS, TOKENS

KEY: Final = "key"
"""Sorts by the columns that identify a row."""
NAMES: Final = ("name", "org_name")
"""Columns from the directory."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """An expression to sort by, and the measures that it needs. Rows without a value (NULL) are last both ways."""

    expression: str
    measures: tuple[str, ...]


def _sum(*measures: str) -> Ranking:
    return Ranking(" + ".join(measures), measures)


_RATIOS: Final = {
    "success_rate": Ranking("if(requests = 0, NULL, 1 - errors / requests)", ("requests", "errors")),
    "avg_latency_ms": Ranking(
        "if(latency_requests = 0, NULL, latency_sum / latency_requests)", ("latency_sum", "latency_requests")
    ),
}
ROW_ORDERS: Final = {
    **{name: _sum(name) for name in ROW_MEASURES if name not in ("latency_sum", "latency_requests")},
    "total_tokens": _sum(*TOKENS),
    "prompt_tokens": _sum(*PROMPT_TOKENS),
    "completion_tokens": _sum(*COMPLETION_TOKENS),
    "cached_tokens": _sum(*CACHE_READS),
    **_RATIOS,
    "share": _sum("cost"),
    "request_share": _sum("requests"),
    "token_share": _sum(*TOKENS),
    KEY: Ranking("", ("requests",)),
}
"""Column of every table → its order."""
MODEL_ORDERS: Final = {
    "input_cost": _sum("input_cost"),
    "cached_cost": _sum("cache_read_cost", "cache_write_cost"),
    "output_cost": _sum("output_cost"),
    "other_cost": _sum("audio_cost", "unit_cost"),
}
"""Further columns of the comparison of models."""
ORDERS: Final = {**ROW_ORDERS, **MODEL_ORDERS, USERS: _sum(USERS)}
"""Column → its order, for orders that are computed from sums."""


def descends(order_by: str, order: str | None) -> bool:
    """Return whether rows are sorted largest first: the default for figures, not for texts."""
    return order_by != KEY and order_by not in NAMES if order is None else order == "desc"
