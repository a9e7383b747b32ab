"""A run: rounds of faults under traffic, a quiet point after each, and the sums compared there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.tansu import Tansu
from tests.torture.cluster import Cluster, cluster
from tests.torture.faults import inject
from tests.torture.faults.hands import Hands
from tests.torture.ledger import Ledger
from tests.torture.oracle import differences, missing_dead_letters
from tests.torture.patience import StuckError
from tests.torture.plan import ALL, Kind, plan, possible
from tests.torture.report import Report

WORKERS: Final = 3
PARTITIONS: Final = 12
FAULTS_A_ROUND: Final = 4
_BATCH: Final = 30
_PAUSE_S: Final = 0.5


async def torture(
    *,
    seed: int,
    folder: Path,
    broker: Tansu | ApacheKafka,
    store: ClickHouseHttp,
    go_on: Callable[[int], bool],
    database: str = "torture",
    kinds: Sequence[Kind] = ALL,
    faults_a_round: int = FAULTS_A_ROUND,
    log: Callable[[str], None] = print,
) -> Report:
    """Run rounds while `go_on(rounds done)`; stops at the first difference.

    :param broker: running; it is frozen, and killed if it has storage.
    :param store: running; it is killed and restarted.
    :param kinds: of faults; those that `broker` does not support are left out.
    """
    report = Report()
    ledger = Ledger(seed=seed)
    faults = plan(seed=seed, workers=WORKERS, kinds=possible(kinds, on_kafka=isinstance(broker, ApacheKafka)))
    dsn = store.dsn_of(database)
    async with cluster(
        folder=folder, dsn=dsn, connection=broker.connection, partitions=PARTITIONS, ledger=ledger
    ) as running:
        hands = Hands(cluster=running, broker=broker, store=store, complaints=report.differences)
        for _ in range(WORKERS):
            running.worker().start()
        rounds = 0
        try:
            # A fault before the workers have joined would prove nothing.
            await running.feeder.feed(10 * _BATCH)
            await running.settled()
            running.feeder.all_stored()
            report.differences += await missing_dead_letters(broker.connection, ledger)
            while go_on(rounds) and not report.differences:
                for fault in islice(faults, faults_a_round):
                    name = await _under_traffic(running, inject(hands, fault))
                    report.faults[name] += 1
                    log(f"{time.strftime('%H:%M:%S')} {name}")
                rounds += 1
                report.differences += await _quiet_point(running, report)
                report.differences += await missing_dead_letters(broker.connection, ledger)
                log(f"{time.strftime('%H:%M:%S')} quiet point {rounds}: {len(report.differences)} differences")
            # All chunks in progress are now stored.
            await running.stop_workers()
            report.differences += await differences(running.session, ledger)
            report.differences += await missing_dead_letters(broker.connection, ledger)
        except StuckError as stuck:
            report.differences.append(f"stuck: {stuck}")
        _count(report, running, rounds)
    return report


async def _under_traffic(running: Cluster, injection: Awaitable[str]) -> str:
    done = asyncio.Event()
    traffic = asyncio.create_task(running.feeder.feed_until(done, size=_BATCH, pause=_PAUSE_S))
    try:
        return await injection
    finally:
        done.set()
        await traffic


async def _quiet_point(running: Cluster, report: Report) -> list[str]:
    """Restart dead workers, wait until no chunk is open, and compare."""
    for worker in running.workers:
        if not worker.running():
            report.faults["worker ended by itself"] += 1
            worker.start_again()
    await running.settled()
    await running.without_surplus()
    running.feeder.all_stored()
    return await differences(running.session, running.ledger)


def _count(report: Report, running: Cluster, rounds: int) -> None:
    ledger = running.ledger
    report.counts = {
        "events": ledger.events,
        "client retries": ledger.retries,
        "sent again by the producer": running.feeder.sent_again,
        "copies in a foreign partition": running.feeder.foreign,
        "unreadable records": len(ledger.bad_keys),
        "quiet points": rounds,
    }
