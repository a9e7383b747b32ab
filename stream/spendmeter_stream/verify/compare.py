"""Compare raw events with rollups by day, inside the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_stream.verify import queries
from spendmeter_stream.verify.report import DayResult, Duplicate, day_results

_COMPARE: Final = queries.compare_days()
_EVENTS_AT_ONCE: Final = 2_000_000
"""Events per query: bounded memory, and enough work to make the query's analysis time negligible."""
_DAYS_AT_ONCE: Final = 31
_IDS_IN_A_SLICE: Final = 4_000_000
"""Each id takes about 64 bytes of the store's memory during the count."""


@dataclass(frozen=True, slots=True)
class Days:
    """UTC days, both ends inclusive."""

    first: date = date(1970, 1, 1)
    last: date = date(2149, 6, 6)

    def parameters(self) -> dict[str, date]:
        """Return the query parameters."""
        return {"first": self.first, "last": self.last}


async def days_with_rows(session: Session, days: Days) -> dict[date, int]:
    """Return the days with rows in raw events or any rollup, in order, with their number of events."""
    rows = await session.query(queries.DAYS, days.parameters(), settings=queries.BOUNDED)
    found: Counter[date] = Counter()
    for day, events in rows.result_rows:
        found[day] += events
    return dict(sorted(found.items()))


def batches(days: Mapping[date, int], *, events_at_once: int = _EVENTS_AT_ONCE) -> Iterator[list[date]]:
    """Yield consecutive days of at most `events_at_once` events and 31 days; a larger day is alone.

    :param days: day → events, in order.
    """
    batch: list[date] = []
    events = 0
    for day, count in days.items():
        if batch and (events + count > events_at_once or len(batch) == _DAYS_AT_ONCE):
            yield batch
            batch, events = [], 0
        batch.append(day)
        events += count
    if batch:
        yield batch


async def compare_days(session: Session, days: Sequence[date]) -> list[DayResult]:
    """Compare every measure of every rollup with the events of `days`. Return the days that differ."""
    parameters = {"days": list(days), "first": min(days), "last": max(days)}
    rows = await session.query(_COMPARE, parameters, settings=queries.BOUNDED)
    return day_results(rows.result_rows)


async def compare(
    session: Session, days: Mapping[date, int], *, progress: Callable[[int], None] | None = None
) -> list[DayResult]:
    """Return the days of `days` (day → events) that differ.

    :param progress: called with the number of compared days.
    """
    differing: list[DayResult] = []
    done = 0
    for batch in batches(days):
        differing += await compare_days(session, batch)
        done += len(batch)
        if progress is not None:
            progress(done)
    return differing


async def find_duplicates(session: Session, days: Days, *, events: int) -> tuple[int, list[Duplicate]]:
    """Return the number of ids stored more than once in `days`, and the first of them.

    :param events: rows of `days`, which determine the number of slices.
    """
    slices = events // _IDS_IN_A_SLICE + 1
    total, ids = 0, []
    for number in range(slices):
        parameters = {**days.parameters(), "slices": slices, "slice": number}
        rows = (await session.query(queries.REPEATED_IDS, parameters, settings=queries.BOUNDED)).result_rows
        total += rows[0][1] if rows else 0
        ids += [row[0] for row in rows]
    if not ids:
        return 0, []
    parameters = {**days.parameters(), "ids": ids[: queries.MAX_LISTED]}
    found = await session.query(queries.REPEATED_EVENTS, parameters, settings=queries.BOUNDED)
    return total, [Duplicate(*row) for row in found.result_rows]
