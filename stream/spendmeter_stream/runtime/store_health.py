"""Export the maximum number of parts per partition of each table, and free space per disk. Leader only."""

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
    """Query and export parts and disks. Raises `StoreError`."""
    parts = (await session.query(PARTS)).result_rows
    disks = (await session.query(DISKS)).result_rows
    # A dropped table or disk must not keep its last value.
    forget_store()
    for table, most in parts:
        metrics.STORE_PARTS.labels(table).set(most)
    for disk, free in disks:
        metrics.STORE_DISK_FREE.labels(disk).set(free)
    metrics.STORE_CHECKED.set(time.time())


def forget_store() -> None:
    """Remove the series: another worker is the leader and exports them."""
    metrics.STORE_PARTS.clear()
    metrics.STORE_DISK_FREE.clear()
