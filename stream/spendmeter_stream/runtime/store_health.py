"""Watch the store for the leader: parts of the fullest partition of each table, and free space of each disk."""

from __future__ import annotations

import time
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_stream import metrics

PARTS: Final = """\
SELECT table, max(parts) AS most
FROM (
    SELECT table, partition, count() AS parts
    FROM system.parts
    WHERE active AND database = currentDatabase()
    GROUP BY table, partition
)
GROUP BY table"""
DISKS: Final = """\
SELECT name, least(free_space, unreserved_space) / total_space AS free
FROM system.disks
WHERE total_space > 0"""


async def check_store(session: Session) -> None:
    """Export what the server says of itself. Raises `StoreError`."""
    parts = (await session.query(PARTS)).result_rows
    disks = (await session.query(DISKS)).result_rows
    # A table or a disk that is gone must not keep its last value.
    forget_store()
    for table, most in parts:
        metrics.STORE_PARTS.labels(table).set(most)
    for disk, free in disks:
        metrics.STORE_DISK_FREE.labels(disk).set(free)
    metrics.STORE_CHECKED.set(time.time())


def forget_store() -> None:
    """Remove the rows: another worker leads now, and exports them."""
    metrics.STORE_PARTS.clear()
    metrics.STORE_DISK_FREE.clear()
