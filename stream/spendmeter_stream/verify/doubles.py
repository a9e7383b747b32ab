"""Calls that may be counted twice, for `verify`: double reports, and conflicts of one id. Both are warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.doubles.double_reports import EVIDENCE, USAGE, double_reports
from spendmeter_stream import metrics
from spendmeter_stream.verify.queries import BOUNDED, MAX_LISTED

_DAY: Final = timedelta(days=1)
_MARGIN: Final = timedelta(hours=1)
"""Maximum distance between the two reports of a call."""
_EVENTS_IN_A_SLICE: Final = 1_000_000
"""Each event takes up to a few hundred bytes of the store's memory during the comparison."""
_COMPARED: Final = f"""event.occurred_at >= {{compared_from:DateTime64(3, 'UTC')}}
    AND event.occurred_at < {{compared_to:DateTime64(3, 'UTC')}}
    AND cityHash64({USAGE}) % {{slices:UInt32}} = {{slice:UInt32}}"""
FOUND: Final = f"""FROM ({double_reports(_COMPARED)})
WHERE occurred_at >= {{start:DateTime64(3, 'UTC')}} AND occurred_at < {{end:DateTime64(3, 'UTC')}}"""
"""The suspected calls that occurred in [start, end)."""
_LISTED: Final = ("evidence", "event_id", "first_event_id", "org_id", "provider", "model", "occurred_at", "cost")
_DOUBLES: Final = f"""
SELECT {", ".join(_LISTED)}, count() OVER () AS total, sum(cost) OVER () AS total_cost
{FOUND}
ORDER BY occurred_at, event_id
LIMIT {MAX_LISTED}"""
_BY_EVIDENCE: Final = f"SELECT evidence, count() {FOUND} GROUP BY evidence"
_EVENTS: Final = """
SELECT count() FROM usage_events
WHERE occurred_at >= {start:DateTime64(3, 'UTC')} AND occurred_at < {end:DateTime64(3, 'UTC')}"""
_CONFLICTS: Final = f"""
SELECT toDate(occurred_at), org_id, event_id, fields, count() OVER () AS total
FROM ingest_conflicts FINAL
WHERE toDate(occurred_at) BETWEEN {{first:Date}} AND {{last:Date}}
ORDER BY occurred_at, event_id, topic_partition, topic_offset
LIMIT {MAX_LISTED}"""


@dataclass(frozen=True, slots=True)
class DoubleReport:
    """A call that may be a second report of the call `first_event_id`. `cost` is in USD."""

    evidence: str
    event_id: UUID
    first_event_id: UUID
    org: str
    provider: str
    model: str
    occurred_at: datetime
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Conflict:
    """An event that is not counted, because its id is that of another one; `fields` differ."""

    day: date
    org: str
    event_id: UUID
    fields: list[str]


@dataclass(frozen=True, slots=True)
class CountingWarnings:
    """Calls that may be counted twice, and events that are not counted: their numbers, and the first of them."""

    suspected: int = 0
    suspected_cost: Decimal = Decimal(0)
    double_reports: tuple[DoubleReport, ...] = ()
    conflicts: int = 0
    conflict_list: tuple[Conflict, ...] = ()


async def find_warnings(session: Session, days: Mapping[date, int], window: Mapping[str, date]) -> CountingWarnings:
    """Return the double reports of `days` (UTC day → events) and the conflicts of `window` (first and last)."""
    total, cost, listed = 0, Decimal(0), list[DoubleReport]()
    for day, events in days.items():
        start = datetime.combine(day, time.min, UTC)
        for parameters in slices(start, start + _DAY, events):
            rows = (await session.query(_DOUBLES, parameters, settings=BOUNDED)).result_rows
            total += rows[0][-2] if rows else 0
            cost += rows[0][-1] if rows else 0
            listed += [DoubleReport(*row[: len(_LISTED)]) for row in rows]
    found = (await session.query(_CONFLICTS, window, settings=BOUNDED)).result_rows
    return CountingWarnings(
        suspected=total,
        suspected_cost=cost,
        double_reports=tuple(listed[:MAX_LISTED]),
        conflicts=found[0][-1] if found else 0,
        conflict_list=tuple(Conflict(*row[:-1]) for row in found),
    )


async def watch_double_reports(session: Session, now: datetime) -> None:
    """Export the number of suspected double reports of the last 24 hours, by evidence. Raises `StoreError`."""
    ((events,),) = (await session.query(_EVENTS, {"start": now - _DAY, "end": now})).result_rows
    found: Counter[str] = Counter()
    for parameters in slices(now - _DAY, now, events):
        rows = (await session.query(_BY_EVIDENCE, parameters, settings=BOUNDED)).result_rows
        for evidence, calls in rows:
            found[evidence] += calls
    for evidence in EVIDENCE:
        metrics.SUSPECTED_DOUBLE_REPORTS.labels(evidence).set(found[evidence])


def forget_double_reports() -> None:
    """Export zeros: another worker leads."""
    for evidence in EVIDENCE:
        metrics.SUSPECTED_DOUBLE_REPORTS.labels(evidence).set(0)


def slices(start: datetime, end: datetime, events: int) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each query: suspected calls in [start, end), whose first report may be outside it."""
    count = events // _EVENTS_IN_A_SLICE + 1
    span = {"start": start, "end": end, "compared_from": start - _MARGIN, "compared_to": end + _MARGIN}
    for number in range(count):
        yield {**span, "slices": count, "slice": number}
