"""The consumer group that fills a store.

A second one would read every event again, at other chunk borders, and count it twice. So the store remembers the first,
and workers of another group refuse to start.
"""

from __future__ import annotations

import asyncio
from typing import Final

import pyarrow as pa

from spendmeter_clickhouse import Session
from spendmeter_stream.errors import SetupError

_ROWS: Final = "SELECT takeover, attempt, consumer_group FROM ingest_groups ORDER BY takeover DESC, attempt LIMIT 1"
_SETTLE_SECONDS: Final = 1.0
"""How long the row of another group may take from its token to its place."""


async def ensure_group(session: Session, group: str) -> None:
    """Claim the store for `group`, unless it has it already.

    :raises SetupError: another group fills the store. :raises StoreError: the store failed; call it again.
    """
    if (owner := await owning_group(session)) is None:
        owner = await _claim(session, group, takeover=0)
    if owner != group:
        raise SetupError(
            f"the store is filled by consumer group {owner!r}, and a second group, {group!r}, would count every event"
            f" twice: set SPENDMETER_GROUP={owner}, or stop all its workers and run `spendmeter migrate --adopt-group`"
        )


async def adopt_group(session: Session, group: str) -> str | None:
    """Hand the store over to `group`; returns the group that had it. Raises `StoreError`."""
    row = await _newest(session)
    if row is None or row[1] != group:
        await _claim(session, group, takeover=row[0] + 1 if row else 0)
    return row[1] if row else None


async def owning_group(session: Session) -> str | None:
    """The group that fills the store; None before its first worker."""
    row = await _newest(session)
    return row[1] if row else None


async def _claim(session: Session, group: str, *, takeover: int) -> str:
    """Write `group` down as the owner, unless another one was quicker; returns the owner."""
    attempt = 0
    while (row := await _newest(session)) is None or row[0] < takeover:
        # The token makes the store keep one row of this attempt, whoever sends it.
        settings = {"async_insert": 0, "insert_deduplication_token": f"group:{takeover}:{attempt}"}
        await session.insert_arrow("ingest_groups", _row(takeover, attempt, group), settings=settings)
        row = await _newest(session)
        if row is None or row[0] < takeover:
            # A quicker one's row is on its way; or the store was killed with the token and without the row.
            await asyncio.sleep(_SETTLE_SECONDS)
        attempt += 1
    return row[1]


async def _newest(session: Session) -> tuple[int, str] | None:
    rows = (await session.query(_ROWS)).result_rows
    return (rows[0][0], rows[0][2]) if rows else None


def _row(takeover: int, attempt: int, group: str) -> pa.Table:
    return pa.table(
        {
            "takeover": pa.array([takeover], pa.uint32()),
            "attempt": pa.array([attempt], pa.uint16()),
            "consumer_group": pa.array([group], pa.string()),
        }
    )
