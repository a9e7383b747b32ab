"""Totals of whole days in raw events and each rollup, read from projections: a few rows per part, not all events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from spendmeter_clickhouse import Session
from spendmeter_stream.verify.measures import ROLLUPS, CheckedRollup
from spendmeter_stream.verify.queries import BOUNDED

_RAW: Final = "raw"


def _of_rollup(rollup: CheckedRollup) -> str:
    sums = "sum(requests), sum(cost)" if "requests" in rollup.sums else "sum(latency_requests), 0"
    return f"""
SELECT toDate(bucket) AS day, '{rollup.table}', 0, {sums}, 0
FROM {rollup.table}
WHERE toDate(bucket) BETWEEN {{first:Date}} AND {{last:Date}}
GROUP BY day"""


# Must match the expressions of the projections `by_day` and `totals`: any other expression reads every row.
TOTALS: Final = f"""
SELECT toDate(occurred_at) AS day, '{_RAW}' AS source, count(), sum(requests), sum(cost), sum(cityHash64(event_id))
FROM usage_events
WHERE toDate(occurred_at) BETWEEN {{first:Date}} AND {{last:Date}}
GROUP BY day
UNION ALL""" + "\nUNION ALL".join(_of_rollup(rollup) for rollup in ROLLUPS)


@dataclass(slots=True)
class DayTotals:
    """One UTC day: its number of raw events, and the totals of each source."""

    events: int = 0
    sums: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Source → requests, cost (for `latency_daily`: latencies, 0) and, for raw events, a hash of all ids."""

    def add(self, source: str, events: int, sums: tuple[Any, ...]) -> None:
        """Add the sums of one source."""
        self.events += events
        self.sums[source] = sums

    @property
    def text(self) -> str:
        """Return all totals as text, to detect changes."""
        sources = sorted(self.sums.items())
        return "; ".join([f"events {self.events}", *(f"{name} {' '.join(map(str, sums))}" for name, sums in sources)])

    @property
    def agree(self) -> bool:
        """Return whether requests and cost of every rollup of all calls equal those of raw events."""
        raw = self.sums.get(_RAW, (0, 0))[:2]
        return all(self.sums.get(it.table, (0, 0))[:2] == raw for it in ROLLUPS if "requests" in it.sums)


async def day_totals(session: Session, days: Sequence[date]) -> dict[date, DayTotals]:
    """Return the totals of the days with rows in any table, in order. Raises `StoreError`."""
    parameters = {"first": min(days), "last": max(days)}
    rows = await session.query(TOTALS, parameters, settings=BOUNDED)
    return _by_day(rows.result_rows, frozenset(days))


def _by_day(rows: Iterable[Sequence[Any]], days: frozenset[date]) -> dict[date, DayTotals]:
    found: dict[date, DayTotals] = {}
    for day, source, events, *sums in rows:
        if day in days:
            found.setdefault(day, DayTotals()).add(source, events, tuple(sums))
    return dict(sorted(found.items()))
