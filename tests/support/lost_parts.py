"""Remove parts from a store, as a SIGKILL between a block's token and its rename does."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from spendmeter_clickhouse import Session
from tests.support.clickhouse_http.process import ClickHouseHttp

_PARTS = """
    SELECT table, partition, groupArray(path)
    FROM (SELECT * FROM system.parts WHERE active AND database = currentDatabase() ORDER BY min_block_number)
    GROUP BY table, partition"""


async def lose(server: ClickHouseHttp, session: Session, parts: Collection[tuple[int, str, str]]) -> None:
    """Kill the store, and restart it with tokens but without their parts: logged, but with temporary folder names.

    Stop merges first, so that the parts of each insert stay separate.

    :param parts: number of the insert (-1 is the last one), table, month as YYYYMM.
    """
    paths = {(table, month): found for table, month, found in (await session.query(_PARTS)).result_rows}
    server.kill()
    for number, table, month in parts:
        part = Path(paths[table, month][number])
        shutil.move(part, part.with_name(f"tmp_insert_{part.name}"))
    server.start()
