"""The leader's job: closed days of the rollups against raw events, and one gauge that says whether they agree."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_stream import metrics
from spendmeter_stream.verify.compare import Days, compare, days_with_rows
from spendmeter_stream.verify.run import look_again

log = logging.getLogger(__name__)

_CLOSED_DAYS: Final = 7


def closed_days(now: datetime, *, count: int = _CLOSED_DAYS) -> list[date]:
    """The last `count` UTC days that ended before `now`, in order. Events of them may still come, but are few."""
    today = now.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in range(count, 0, -1)]


async def check_drift(session: Session, *, days: Sequence[date]) -> int:
    """Compare `days`; returns, and exports as `spendmeter_rollup_drift`, how many differences there are.

    One difference is one org's day in one rollup. 0 is the only good value.
    """
    asked = set(days)
    rows = await days_with_rows(session, Days(min(days), max(days)))
    rows = {day: events for day, events in rows.items() if day in asked}
    found, _ = await look_again(session, await compare(session, rows), rows)
    drift = sum(result.differing for result in found)
    metrics.ROLLUP_DRIFT.set(drift)
    for result in found:
        log.error(
            "rollups differ from raw events on %s, %d times: see `spendmeter verify`", result.day, result.differing
        )
    return drift
