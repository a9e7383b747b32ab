"""Drop suspected double reports, where an operator requests it. Nothing else removes a call that has its own id."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.doubles.double_reports import BY_REQUEST
from spendmeter_stream.maintenance.surplus import ROWS_AT_ONCE, Copy, remove
from spendmeter_stream.verify.compare import Days, days_with_rows
from spendmeter_stream.verify.doubles import FOUND, slices
from spendmeter_stream.verify.queries import BOUNDED

_DAY: Final = timedelta(days=1)
# Newer rows may belong to a chunk that is not recovered yet, and their client may send them again.
_PAIRS: Final = f"""
SELECT event_id, org_id, occurred_at, topic_id, topic_partition, topic_offset, ingested_at,
    first_event_id, first_occurred_at, first_topic_id, first_topic_partition, first_topic_offset
{FOUND} AND evidence = '{BY_REQUEST}' AND ingested_at < now64(3, 'UTC') - INTERVAL 1 HOUR
ORDER BY occurred_at, event_id"""


async def drop_doubles(session: Session, days: Days) -> tuple[int, set[date]]:
    """Remove the calls of `days` that repeat request id and usage of another call, with their adjustments.

    Each is recorded in `ingest_surplus`. Return the number of removed calls and their UTC days. The rollups of these
    days are wrong until they are rebuilt; the leading worker does that. Raises `StoreError`; a retry is safe.
    """
    removed, changed = 0, set[date]()
    for day, events in (await days_with_rows(session, days)).items():
        start = datetime.combine(day, time.min, UTC)
        for parameters in slices(start, start + _DAY, events):
            rows = (await session.query(_PAIRS, parameters, settings=BOUNDED)).result_rows
            pairs = [_pair(row) for row in rows]
            for first in range(0, len(pairs), ROWS_AT_ONCE):
                await remove(session, pairs[first : first + ROWS_AT_ONCE], adjustments=True)
            removed += len(pairs)
            changed |= {copy.occurred_at.date() for copy, _ in pairs}
    return removed, changed


def _pair(row: Any) -> tuple[Copy, Copy]:
    """Return a row to remove, and the row that is kept; of the latter only the place is read."""
    dropped = Copy(*row[:7])
    first_id, first_at, topic_id, partition, offset = row[7:]
    return dropped, Copy(first_id, dropped.org_id, first_at, topic_id, partition, offset, dropped.ingested_at)
