"""One round of the fault harness with few faults, and the faults of each seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.tansu import Tansu
from tests.torture.plan import Kind
from tests.torture.report import Report
from tests.torture.run import torture

ON_TANSU: Final[dict[int, tuple[Kind, ...]]] = {
    22: ("kill", "store_kill", "half_landed"),
    23: ("zombie", "store_fault", "broker_freeze"),
    24: ("clock_jump", "topic_reborn", "reprice_crash", "rebuild_crash"),
}
"""Seed → the faults of its single round. Rounds are short, so that they can run in parallel."""
ON_KAFKA: Final[dict[int, tuple[Kind, ...]]] = {
    12: ("store_torn", "broker_kill", "rebalance_storm"),
    13: ("second_group", "foreign_partitioner", "group_moved_back", "records_expired", "widening"),
}


async def one_round(seed: int, kinds: Sequence[Kind], broker: Tansu | ApacheKafka, folder: Path) -> Report:
    """Run one round with a separate broker and store."""
    for name in ("store", "workers"):
        (folder / name).mkdir()
    store = ClickHouseHttp(folder=folder / "store")
    broker.start()
    try:
        store.start()
        report = await torture(
            seed=seed,
            folder=folder / "workers",
            broker=broker,
            store=store,
            go_on=lambda rounds: rounds < 1,
            kinds=kinds,
            faults_a_round=len(kinds),
        )
    finally:
        store.kill()
        broker.kill()
    assert not report.differences, report.table()
    assert report.faults.total() >= len(kinds)
    return report
