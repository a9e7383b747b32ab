"""How the chunk of an owner that is gone is completed: by its token, row by row, or by reconciliation.

A token completes raw events and every rollup in one insert, but only while the store remembers it: tables forget after
a number of blocks, and replicated ones by time, too. A forgotten token would count the chunk twice.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import pyarrow as pa

from spendmeter_clickhouse import Session
from spendmeter_stream.barrier.requests import ROLLUPS
from spendmeter_stream.journal.coordinates import days_of
from spendmeter_stream.journal.intents import Intent

# Each intent is a block that may have been sent, and a block leaves a token in each month that it touches. At most half
# of the window counts as certain. Where a replicated table does not name its window, the oldest default applies.
_IS_CERTAIN: Final = """
    WITH
        (
            SELECT min(if(startsWith(engine, 'Replicated') AND found = 0, 1000, found))
            FROM (
                SELECT
                    engine,
                    toUInt64OrZero(extract(engine_full, 'replicated_deduplication_window = (\\\\d+)')) AS found
                FROM system.tables
                WHERE database = currentDatabase() AND has({tables:Array(String)}, name)
            )
        ) AS window,
        (
            SELECT sum(greatest(1, length(arrayDistinct(arrayMap(day -> toYYYYMM(day), days)))))
            FROM ingest_chunks
            WHERE written_at >= {since:DateTime64(3)}
        ) AS chunks,
        (
            SELECT sum(1 + dateDiff('month', first_hour, last_hour))
            FROM reprice_blocks
            WHERE happened = 'begun' AND at >= {since:DateTime64(3)}
        ) AS adjustments
    SELECT
        2 * (toInt64(chunks) + toInt64(adjustments)) <= toInt64(window)
        AND dateDiff('second', {since:DateTime64(3)}, now64(3)) BETWEEN -1 AND {seconds:UInt32}"""

_CERTAIN_SECONDS: Final = 1800
"""Half of the hour for which a replicated table remembers a token by default. A store clock set back counts as late."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What is left to do for a recovered block."""

    insert: bool
    """Whether the block is sent under its token; else rows that raw events lack are added past the views."""
    suspect: frozenset[date]
    """Days of which some rollup may say otherwise than raw events afterwards."""


SEND: Final = Completion(insert=True, suspect=frozenset())


async def completion(session: Session, intent: Intent, block: pa.Table, *, landed: int, expired: bool) -> Completion:
    """Decide how `block` is completed.

    :param block: the chunk's rows, those that landed included. :param landed: how many of them are in raw events.
    :param expired: some of its records are gone, so rows that reached only a rollup cannot be made again.
    :raises StoreError: the store failed; call it again.
    """
    certain = await token_is_certain(session, intent.since)
    days = frozenset(intent.days) | frozenset(days_of(block))
    return Completion(
        insert=block.num_rows > 0 and (certain or landed == 0),
        suspect=days if expired or not certain else frozenset(),
    )


async def token_is_certain(
    session: Session, since: datetime, *, tables: Collection[str] = ("usage_events", *ROLLUPS)
) -> bool:
    """Whether every table still remembers the tokens of blocks that were sent after `since`, by the store's clock."""
    parameters = {"since": since, "seconds": _CERTAIN_SECONDS, "tables": list(tables)}
    return bool((await session.query(_IS_CERTAIN, parameters)).result_rows[0][0])
