"""Aggregates of an answer, computed from summed measures: ratios and token totals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from spendmeter_clickhouse.catalogue import MEASURES
from spendmeter_events.usage_units import CACHE_READS, COMPLETION_TOKENS, PROMPT_TOKENS, TOKENS
from spendmeter_rollups.catalogue.money import add_exactly

_HIDDEN: Final = ("latency_sum", "latency_requests", "ttft_sum", "ttft_requests", "provider_cost_requests")

_EPOCH_YEAR: Final = 1970

Sums = Mapping[str, Any]
"""Measure → its sum."""


def zero(measures: Iterable[str]) -> dict[str, Any]:
    """Return the sums of an empty set of rows."""
    empty: dict[str, Any] = {name: Decimal(0) if MEASURES[name].decimal else 0 for name in measures}
    return empty | {name: None for name in ("first_seen", "last_seen") if name in empty}


def add(rows: Iterable[Sums], measures: Iterable[str]) -> dict[str, Any]:
    """Add up the sums of several rows."""
    total = zero(measures)
    for row in rows:
        for measure in total:
            total[measure] = _combine(measure, total[measure], row[measure])
    return total


def aggregates(sums: Sums) -> dict[str, Any]:
    """Return every field that an answer derives from `sums`. A ratio over 0 is None."""
    found = {name: value for name, value in sums.items() if name not in _HIDDEN}
    for name in ("first_seen", "last_seen"):
        # ClickHouse returns the epoch for min() and max() over no rows.
        if name in found and found[name] is not None and found[name].year == _EPOCH_YEAR:
            found[name] = None
    found["prompt_tokens"] = sum(sums[name] for name in PROMPT_TOKENS)
    found["completion_tokens"] = sum(sums[name] for name in COMPLETION_TOKENS)
    found["total_tokens"] = sum(sums[name] for name in TOKENS)
    found["cached_tokens"] = sum(sums[name] for name in CACHE_READS)
    found["success_rate"] = _ratio(sums["requests"] - sums["errors"], sums["requests"])
    found["avg_latency_ms"] = _ratio(sums["latency_sum"], sums["latency_requests"])
    if "ttft_sum" in sums:
        found["avg_ttft_ms"] = _ratio(sums["ttft_sum"], sums["ttft_requests"])
    if "provider_cost" in sums:
        found["provider_cost"] = sums["provider_cost"] if sums["provider_cost_requests"] else None
    return found


def change(current: Any, previous: Any) -> float | None:
    """Return the relative change (0.5 is +50 %), or None if either value is missing or `previous` is zero."""
    if current is None or not previous:
        return None
    return round(float((Decimal(str(current)) - Decimal(str(previous))) / Decimal(str(previous))), 6)


def _ratio(part: Any, whole: Any) -> float | None:
    return round(float(part) / float(whole), 6) if whole else None


def _combine(measure: str, left: Any, right: Any) -> Any:
    if isinstance(left, Decimal):
        return add_exactly(left, right)
    if measure not in ("first_seen", "last_seen"):
        return left + right
    if left is None or right is None:
        return right if left is None else left
    return min(left, right) if measure == "first_seen" else max(left, right)
