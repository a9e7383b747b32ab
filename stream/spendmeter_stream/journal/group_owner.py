"""The consumer group that fills a store.

A second group would read every event again, with other chunk boundaries, and count it twice. The store records the
first group, and workers of any other group refuse to start.
"""

from __future__ import annotations

import asyncio
from typing import Final

import pyarrow as pa

from spendmeter_clickhouse import Session
from spendmeter_stream.errors import SetupError

_ROWS: Final = "SELECT takeover, attempt, consumer_group FROM ingest_groups ORDER BY takeover DESC, attempt LIMIT 1"
_CLAIM_SECONDS: Final = 1.0
"""Time to wait for the row of another group whose token is already recorded."""


async def ensure_group(session: Session, group: str) -> None:
    """Claim the store for `group` if it has no owner yet.

    :raises SetupError: another group fills the store. :raises StoreError: the store failed; retry.
    """
    if (owner := await owning_group(session)) is None:
        owner = await _claim(session, group, takeover=0)
    if owner != group:
        raise SetupError(
            f"the store is filled by consumer group {owner!r}, and a second group, {group!r}, would count every event"
            f" twice: set SPENDMETER_GROUP={owner}, or stop all its workers and run `spendmeter migrate --adopt-group`"
        )


async def adopt_group(session: Session, group: str) -> str | None:
    """Make `group` the owner of the store, and return the previous owner. Raises `StoreError`."""
    row = await _newest(session)
    if row is None or row[1] != group:
        await _claim(session, group, takeover=row[0] + 1 if row else 0)
    return row[1] if row else None


async def owning_group(session: Session) -> str | None:
    """Return the group that fills the store; None before the first worker."""
    row = await _newest(session)
    return row[1] if row else None


async def _claim(session: Session, group: str, *, takeover: int) -> str:
    """Record `group` as the owner unless another group was faster, and return the owner."""
    attempt = 0
    while (row := await _newest(session)) is None or row[0] < takeover:
        # The token makes the store keep only one row per attempt, from any sender.
        settings = {"async_insert": 0, "insert_deduplication_token": f"group:{takeover}:{attempt}"}
        await session.insert_arrow("ingest_groups", _row(takeover, attempt, group), settings=settings)
        row = await _newest(session)
        if row is None or row[0] < takeover:
            # Another group's row is being written, or the store crashed after it recorded the token.
            await asyncio.sleep(_CLAIM_SECONDS)
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
