"""Verify a retried insert, and re-insert rows lost when ClickHouse crashed mid-insert.

A non-replicated MergeTree records a block's deduplication token before it renames the part into place. A crash between
the two keeps the token but loses the rows, and a retry is then dropped as a duplicate. docs/exactly-once.md
("ClickHouse killed during an insert") proves that the repair counts nothing twice.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import date
from hashlib import blake2b
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from spendmeter_clickhouse import Session, StoreError
from spendmeter_stream import metrics
from spendmeter_stream.journal.coordinates import Coordinates, days_of
from spendmeter_stream.journal.intents import OffsetRange, insert_token
from spendmeter_stream.journal.suspects import flag_suspect

log = logging.getLogger(__name__)

_LANDED: Final = """
    SELECT topic_offset
    FROM {table}
    WHERE topic_id = {{topic_id:String}}
      AND topic_partition = {{partition:UInt32}}
      AND topic_offset >= {{start:UInt64}} AND topic_offset < {{end:UInt64}}
      AND occurred_at BETWEEN {{earliest:DateTime64(3)}} AND {{latest:DateTime64(3)}}"""
# Replicated tables commit token and part in one Keeper transaction. The margin allows for clock adjustments.
_MAY_HAVE_LOST: Final = """
    SELECT
        (SELECT any(engine) FROM system.tables WHERE database = currentDatabase() AND name = 'usage_events')
            = 'MergeTree'
        AND now64(3) - toIntervalSecond(uptime()) + INTERVAL 5 SECOND > min(written_at)
    FROM ingest_chunks
    WHERE topic_id = {topic_id:String}
      AND topic_partition = {partition:UInt32}
      AND start_offset = {start:UInt64}"""


async def confirm(
    session: Session,
    block: pa.Table,
    coordinates: Coordinates,
    offsets: OffsetRange,
    *,
    suspect: Collection[date] = (),
) -> int:
    """Ensure that raw events contain every row of `block`, and flag its days as suspect if rollups may lack some.

    Call it after a retry of the block was acknowledged. Returns the number of rows re-inserted.

    :param suspect: UTC days to flag in any case, because their rollups may differ.
    :raises StoreError: the store failed; retry.
    """
    chunk = _Sent(session, block, coordinates, offsets)
    missing = await chunk.missing()
    if not missing.num_rows and not suspect and not await chunk.store_was_killed():
        return 0
    if missing.num_rows:
        await chunk.reinsert(missing)
    await chunk.drop_repair_table()
    await flag_suspect(session, chunk.token, days={*suspect, *days_of(block)})
    return missing.num_rows


class _Sent:
    """A block that was sent once or more."""

    def __init__(self, session: Session, block: pa.Table, coordinates: Coordinates, offsets: OffsetRange) -> None:
        self._session = session
        self._block = block
        self._parameters = _parameters(block, coordinates, offsets)
        self.token = insert_token(coordinates, offsets)
        # Equal for all owners of the chunk: a zombie and the new owner share one table, whose rows can be moved only
        # once.
        self._table = f"usage_events_repair_{blake2b(self.token.encode(), digest_size=16).hexdigest()}"

    async def missing(self) -> pa.Table:
        """Return the rows of the block that raw events lack."""
        landed = await self._landed("usage_events")
        return self._block.filter(pc.invert(pc.is_in(self._block["topic_offset"], value_set=landed))).combine_chunks()

    async def store_was_killed(self) -> bool:
        """Whether ClickHouse started after the chunk's intent was written: only then can it have lost rows."""
        ((killed,),) = (await self._session.query(_MAY_HAVE_LOST, self._parameters)).result_rows
        return bool(killed)

    async def reinsert(self, missing: pa.Table) -> None:
        """Add `missing` to raw events, bypassing the views: rollups have these rows, or will be rebuilt.

        :raises StoreError: another owner re-inserts the same rows, or the store failed; check again.
        """
        log.warning("%s: ClickHouse kept the token but lost %d rows; re-inserting them", self.token, missing.num_rows)
        await self._session.command(f"CREATE TABLE IF NOT EXISTS {self._table} AS usage_events")
        settings = {"async_insert": 0, "insert_deduplication_token": "rows"}
        await self._session.insert_arrow(self._table, missing, settings=settings)
        # Check again: another owner may have moved them meanwhile.
        still_missing = set((await self.missing())["topic_offset"].to_pylist())
        if set((await self._landed(self._table)).to_pylist()) != still_missing:
            await self.drop_repair_table()
            raise StoreError(f"{self.token}: another owner is re-inserting the same rows")
        for month in _months(missing):
            await self._session.command(f"ALTER TABLE {self._table} MOVE PARTITION {month:d} TO TABLE usage_events")
        metrics.ROWS_REINSERTED.inc(missing.num_rows)

    async def drop_repair_table(self) -> None:
        """Drop the repair table, so that an owner that was frozen before the move cannot move the rows again."""
        await self._session.command(f"DROP TABLE IF EXISTS {self._table} SYNC")

    async def _landed(self, table: str) -> pa.Array[Any]:
        sql = _LANDED.format(table=table)
        rows: pa.Table = await self._session.run(lambda client: client.query_arrow(sql, parameters=self._parameters))
        return pa.array(rows["topic_offset"].combine_chunks(), pa.uint64())


def _parameters(block: pa.Table, coordinates: Coordinates, offsets: OffsetRange) -> dict[str, Any]:
    return {
        "topic_id": coordinates.topic_id,
        "partition": coordinates.partition,
        "start": offsets.start,
        "end": offsets.end,
        "earliest": pc.min(block["occurred_at"]).as_py(),
        "latest": pc.max(block["occurred_at"]).as_py(),
    }


def _months(rows: pa.Table) -> Sequence[int]:
    """Return the table partitions of `rows` as YYYYMM."""
    times = rows["occurred_at"]
    months = pc.add(pc.multiply(pc.year(times), pa.scalar(100)), pc.month(times))
    found: list[Any] = pc.unique(months).to_pylist()
    return sorted(found)
