"""Read back landed rows, so that a recovered block equals the block that an earlier owner began to insert.

A block lands month by month, and views then add its rows to the rollups. Pricing or enriching a landed row again, with
another price book or directory, could make raw events and rollups differ permanently.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from spendmeter_clickhouse import Session
from spendmeter_stream.journal.coordinates import Coordinates, days_of
from spendmeter_stream.journal.intents import OffsetRange

_LANDED: Final = """
    SELECT {columns}
    FROM usage_events
    WHERE topic_id = {{topic_id:String}}
      AND topic_partition = {{partition:UInt32}}
      AND topic_offset >= {{start:UInt64}} AND topic_offset < {{end:UInt64}}
      AND occurred_at BETWEEN {{earliest:DateTime64(3)}} AND {{latest:DateTime64(3)}}"""


async def with_landed_rows(
    session: Session, block: pa.Table, coordinates: Coordinates, offsets: OffsetRange, *, days: Iterable[date] = ()
) -> pa.Table:
    """Return `block` with each landed row replaced by the stored row of the same coordinates."""
    landed = await landed_rows(session, block, coordinates, offsets, days=days)
    return completed(block, landed)


async def landed_rows(
    session: Session, block: pa.Table, coordinates: Coordinates, offsets: OffsetRange, *, days: Iterable[date] = ()
) -> pa.Table:
    """Return the rows of raw events at `coordinates` and `offsets`, with the columns of `block`.

    They include rows that `block` lacks because retention removed their records.

    :param days: UTC days of the chunk's events, in addition to those of `block`.
    """
    searched = sorted({*days, *days_of(block)})
    if not searched:
        return block.slice(0, 0)
    sql = _LANDED.format(columns=", ".join(block.column_names))
    parameters = {
        "topic_id": coordinates.topic_id,
        "partition": coordinates.partition,
        "start": offsets.start,
        "end": offsets.end,
        "earliest": datetime.combine(searched[0], time.min, UTC),
        "latest": datetime.combine(searched[-1], time.max, UTC),
    }
    landed: pa.Table = await session.run(lambda client: client.query_arrow(sql, parameters=parameters))
    return landed.cast(block.schema) if landed.num_rows else block.slice(0, 0)


def completed(block: pa.Table, landed: pa.Table) -> pa.Table:
    """Return `landed` and the rows of `block` that have not landed."""
    if landed.num_rows == 0:
        return block
    is_landed = pc.is_in(block["topic_offset"], value_set=landed["topic_offset"].combine_chunks())
    whole = pa.concat_tables([landed, block.filter(pc.invert(is_landed))])
    # ClickHouse returns one batch per part, and each batch of an insert becomes a block with its own token. Without
    # combining them, the tokens would not match, and a recovered chunk that spans months would be counted twice.
    return whole.combine_chunks()
