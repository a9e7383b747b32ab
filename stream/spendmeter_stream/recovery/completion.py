"""Decide how a recovered chunk is completed: by its deduplication token, row by row, or by reconciliation.

Retrying with the token completes raw events and every rollup in one insert, but only until the token expires: tables
keep tokens for a number of blocks, replicated ones also for a time. An expired token would count the chunk twice.
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

# Each intent is a block that may have been sent, with one token per month that it touches. A token is certain within
# half of the window. If a replicated table does not set its window, the default of old versions applies.
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
            WHERE state = 'started' AND at >= {since:DateTime64(3)}
        ) AS adjustments
    SELECT
        2 * (toInt64(chunks) + toInt64(adjustments)) <= toInt64(window)
        AND dateDiff('second', {since:DateTime64(3)}, now64(3)) BETWEEN -1 AND {seconds:UInt32}"""

_CERTAIN_SECONDS: Final = 1800
"""Half of the hour for which replicated tables keep tokens by default. A store clock set back counts as expired."""


@dataclass(frozen=True, slots=True)
class Completion:
    """Remaining work for a recovered block."""

    insert: bool
    """Insert the block with its token. Otherwise, add rows that raw events lack, bypassing the views."""
    suspect: frozenset[date]
    """Days whose rollups may then differ from raw events."""


SEND: Final = Completion(insert=True, suspect=frozenset())


async def completion(session: Session, intent: Intent, block: pa.Table, *, landed: int, expired: bool) -> Completion:
    """Decide how to complete `block`.

    :param block: the chunk's rows, including landed ones. :param landed: how many of them are in raw events.
    :param expired: retention removed some records, so rows that reached only a rollup cannot be rebuilt from them.
    :raises StoreError: the store failed; retry.
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
    """Whether every table still keeps the tokens of blocks sent after `since`, by the store's clock."""
    parameters = {"since": since, "seconds": _CERTAIN_SECONDS, "tables": list(tables)}
    return bool((await session.query(_IS_CERTAIN, parameters)).result_rows[0][0])
