"""Drift watch of the leader: compare closed days of the rollups with raw events, and export the differences.

A comparison reads every event of a day. A day is therefore compared only if its totals disagree, if they changed since
the last comparison, and once a night. `ingest_compared_days` stores the results, so that a new leader does not start
over.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.watermark import raw_kept_from
from spendmeter_stream import metrics
from spendmeter_stream.verify.compare import compare
from spendmeter_stream.verify.report import DayResult
from spendmeter_stream.verify.run import compare_again
from spendmeter_stream.verify.totals import DayTotals, day_totals

log = logging.getLogger(__name__)

_CLOSED_DAYS: Final = 7
# In the store's clock, like `compared_at`: the nightly comparison is due from 02:00 UTC on. Rows written while that
# clock was ahead do not postpone it.
_COMPARED: Final = """
    SELECT
        day,
        argMax(totals, compared_at),
        argMax(differing, compared_at) AS found,
        max(compared_at) < toStartOfDay(now64(3, 'UTC') - INTERVAL 2 HOUR) + INTERVAL 2 HOUR AS before_night,
        max(compared_at) > now64(3, 'UTC') - INTERVAL 2 HOUR AS recent
    FROM ingest_compared_days
    WHERE day IN {days:Array(Date)} AND compared_at <= now64(3, 'UTC')
    GROUP BY day"""


@dataclass(frozen=True, slots=True)
class Compared:
    """Result and age of the last comparison of a day."""

    totals: str
    differing: int
    before_night: bool
    """Compared before the last 02:00 UTC."""
    recent: bool
    """Compared in the last two hours."""


def closed_days(now: datetime, *, count: int = _CLOSED_DAYS) -> list[date]:
    """Return the last `count` UTC days that ended before `now`, in order. Only few late events can still arrive."""
    today = now.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in range(count, 0, -1)]


async def check_drift(session: Session, *, days: Sequence[date]) -> int:
    """Compare the days that may differ. Return the number of differences, and export it as `spendmeter_rollup_drift`.

    One difference is one org's day in one rollup. Any value but 0 is an error.
    """
    kept = await raw_kept_from(session)
    days = [day for day in days if day >= kept]
    totals = await day_totals(session, days) if days else {}
    before = await _compared(session, days)
    due = {day: now.events for day, now in totals.items() if must_compare(now, before.get(day))}
    found, _ = await compare_again(session, await compare(session, due), due)
    await _store_results(session, {day: totals[day] for day in due}, found)
    drift = sum(result.differing for result in found)
    metrics.ROLLUP_DRIFT.set(drift)
    for result in found:
        log.error(
            "rollups differ from raw events on %s, %d times; run `spendmeter verify`", result.day, result.differing
        )
    return drift


def must_compare(now: DayTotals, before: Compared | None) -> bool:
    """Return whether a day with these totals must be compared.

    Late events arrive for hours, and each changes the totals. While these agree, a changed day is compared at most
    every two hours.
    """
    if before is None or before.differing or before.before_night or not now.agree:
        return True
    return now.text != before.totals and not before.recent


async def _compared(session: Session, days: Sequence[date]) -> dict[date, Compared]:
    rows = await session.query(_COMPARED, {"days": list(days)})
    return {
        day: Compared(totals, differing, bool(old), bool(new)) for day, totals, differing, old, new in rows.result_rows
    }


async def _store_results(session: Session, totals: Mapping[date, DayTotals], found: Sequence[DayResult]) -> None:
    """Store the totals from before the comparison, so that events since then count as a change."""
    differing = {result.day: result.differing for result in found}
    rows = [(day, it.text, differing.get(day, 0)) for day, it in totals.items()]
    if rows:
        await session.insert("ingest_compared_days", rows, ["day", "totals", "differing"])
