"""A replayed block must equal the one that an earlier owner began: what landed of it is read back, not made anew.

A block lands month by month, and its rows reach the rollups by views afterwards. Were a landed row priced or
enriched anew, with another book or directory than then, raw and rollups could differ for ever.
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
    """`block` with every row that the store has under the same coordinates in the store's own words."""
    landed = await landed_rows(session, block, coordinates, offsets, days=days)
    return completed(block, landed)


async def landed_rows(
    session: Session, block: pa.Table, coordinates: Coordinates, offsets: OffsetRange, *, days: Iterable[date] = ()
) -> pa.Table:
    """The columns of `block` of every row that raw events have at `coordinates` and `offsets`.

    Rows are among them whose records are gone, so that `block` lacks them.

    :param days: UTC days of the chunk's events, beside those of `block`.
    """
    among = sorted({*days, *days_of(block)})
    if not among:
        return block.slice(0, 0)
    sql = _LANDED.format(columns=", ".join(block.column_names))
    parameters = {
        "topic_id": coordinates.topic_id,
        "partition": coordinates.partition,
        "start": offsets.start,
        "end": offsets.end,
        "earliest": datetime.combine(among[0], time.min, UTC),
        "latest": datetime.combine(among[-1], time.max, UTC),
    }
    landed: pa.Table = await session.run(lambda client: client.query_arrow(sql, parameters=parameters))
    return landed.cast(block.schema) if landed.num_rows else block.slice(0, 0)


def completed(block: pa.Table, landed: pa.Table) -> pa.Table:
    """`landed`, and the rows of `block` that are not among them."""
    if landed.num_rows == 0:
        return block
    is_landed = pc.is_in(block["topic_offset"], value_set=landed["topic_offset"].combine_chunks())
    whole = pa.concat_tables([landed, block.filter(pc.invert(is_landed))])
    # The store answers in a batch a part, and each batch of an insert is a block with a token of its own: sent as they
    # came, the rows would not be known again, and a replayed chunk that spans months would be counted twice.
    return whole.combine_chunks()
