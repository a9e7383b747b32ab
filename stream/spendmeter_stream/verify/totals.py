"""Totals of whole days, by raw events and by each rollup, from projections: a few rows a part, not a day's events."""

# ruff: noqa: S608 - names of our own tables; values are bound

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from spendmeter_clickhouse import Session
from spendmeter_stream.verify.measures import ROLLUPS, Rollup
from spendmeter_stream.verify.queries import BOUNDED

_RAW: Final = "raw"


def _of_rollup(rollup: Rollup) -> str:
    sums = "sum(requests), sum(cost)" if "requests" in rollup.sums else "sum(latency_requests), 0"
    return f"""
SELECT toDate(bucket) AS day, '{rollup.table}', 0, {sums}, 0
FROM {rollup.table}
WHERE toDate(bucket) BETWEEN {{first:Date}} AND {{last:Date}}
GROUP BY day"""


# As the projections `by_day` and `totals` state it: any other expression would read every row.
TOTALS: Final = f"""
SELECT toDate(occurred_at) AS day, '{_RAW}' AS source, count(), sum(requests), sum(cost), sum(cityHash64(event_id))
FROM usage_events
WHERE toDate(occurred_at) BETWEEN {{first:Date}} AND {{last:Date}}
GROUP BY day
UNION ALL""" + "\nUNION ALL".join(_of_rollup(rollup) for rollup in ROLLUPS)


@dataclass(slots=True)
class DayTotals:
    """One UTC day: its raw events, and what each source adds up to."""

    events: int = 0
    sums: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Source → requests, cost (latencies, 0 of `latency_daily`) and, of raw events, a hash of all ids."""

    def add(self, source: str, events: int, sums: tuple[Any, ...]) -> None:
        """Take the sums of one source."""
        self.events += events
        self.sums[source] = sums

    @property
    def text(self) -> str:
        """All of it: the same where nothing changed."""
        sources = sorted(self.sums.items())
        return "; ".join([f"events {self.events}", *(f"{name} {' '.join(map(str, sums))}" for name, sums in sources)])

    @property
    def agree(self) -> bool:
        """Whether every rollup of all calls adds up to the requests and the cost of raw events."""
        raw = self.sums.get(_RAW, (0, 0))[:2]
        return all(self.sums.get(it.table, (0, 0))[:2] == raw for it in ROLLUPS if "requests" in it.sums)


async def day_totals(session: Session, days: Sequence[date]) -> dict[date, DayTotals]:
    """The totals of those of `days` that any table has rows of, in order. Raises `StoreError`."""
    parameters = {"first": min(days), "last": max(days)}
    rows = await session.query(TOTALS, parameters, settings=BOUNDED)
    return _by_day(rows.result_rows, frozenset(days))


def _by_day(rows: Iterable[Sequence[Any]], days: frozenset[date]) -> dict[date, DayTotals]:
    found: dict[date, DayTotals] = {}
    for day, source, events, *sums in rows:
        if day in days:
            found.setdefault(day, DayTotals()).add(source, events, tuple(sums))
    return dict(sorted(found.items()))
