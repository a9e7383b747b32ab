"""The parts of a run: a broker, a store over HTTP, workers as child processes, and a producer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from spendmeter_clickhouse import Session, Store, StoreError, StoreSettings, migrate
from spendmeter_events import KafkaConnection
from spendmeter_events.topics import USAGE
from spendmeter_stream.journal.suspects import open_suspects
from spendmeter_stream.kafka.coordinator import wait_for_named_brokers
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.maintenance.surplus import remove_surplus
from spendmeter_stream.settings import StreamSettings
from tests.torture.feeder import Feeder
from tests.torture.ledger import Ledger
from tests.torture.patience import PAUSE_S, Progress
from tests.torture.worker_process import Job
from tests.torture.workers import Worker

_BEGINNING: Final = datetime(1970, 1, 2, tzinfo=UTC)
# Short, so that a frozen worker loses its partitions within seconds, and small, so that there are many chunks.
STREAM: Final[dict[str, Any]] = {
    "session_timeout_ms": 4000,
    "rebalance_timeout_ms": 3000,
    "stop_timeout_seconds": 2.0,
    "chunk_records": 60,
    "chunk_interval_ms": 200,
    "chunks_per_second": 3.0,
    "dedup_ids": 20_000,
}


class Cluster:
    """The parts of a run. Workers are added by `worker`."""

    def __init__(self, *, folder: Path, dsn: str, connection: KafkaConnection, partitions: int, ledger: Ledger) -> None:
        self.ledger = ledger
        self.partitions = partitions
        self.connection = connection
        self.workers: list[Worker] = []
        self.settings = StreamSettings(bootstrap=connection.bootstrap_servers, usage_partitions=partitions, **STREAM)
        self.store = Store(StoreSettings(store_dsn=dsn, store_timeout_seconds=20))
        self.folder = folder
        self.dsn = dsn
        self.session: Session
        self.feeder: Feeder

    def worker(self, *, without: list[str] | None = None, **changes: Any) -> Worker:
        """Return another worker, not yet started; `changes` are fields of `StreamSettings`."""
        made = self.stranger(f"worker-{len(self.workers)}", without=without, **changes)
        self.workers.append(made)
        return made

    def stranger(self, name: str, *, without: list[str] | None = None, **changes: Any) -> Worker:
        """Return a worker that is not part of the cluster: the caller kills it."""
        stream = {"bootstrap": self.settings.bootstrap, **STREAM, **changes}
        return Worker(folder=self.folder / name, job=Job(self.dsn, stream, without or []))

    async def stop_workers(self) -> None:
        """Stop every worker after its chunk in progress."""
        await asyncio.gather(*(asyncio.to_thread(worker.stop) for worker in self.workers))

    async def make_topics(self) -> None:
        """Create missing topics."""
        await ensure_topics(self.settings.client_options(), usage_partitions=self.partitions)

    async def settled(self) -> None:
        """Wait until the group has committed all records, and no suspect blocks are left.

        :raises StuckError: neither made progress.
        """
        watch = Progress("the group commits what was produced, and the leader reconciles suspect blocks")
        committed: dict[int, int] = {}
        suspects: set[UUID] = set()
        while True:
            with contextlib.suppress(KafkaError, StoreError):
                committed = await self.committed()
                suspects = {suspect.suspect_id for suspect in await open_suspects(self.session)}
                if not suspects and all(committed.get(where, 0) >= end for where, end in self.feeder.ends.items()):
                    return
            watch.see((committed, suspects))
            await asyncio.sleep(PAUSE_S)

    async def without_surplus(self) -> None:
        """Remove surplus copies now, as the leader does daily. No chunk may be open."""
        now = (await self.session.query("SELECT now64(3, 'UTC')")).result_rows[0][0]
        # Clocks of workers may be hours ahead.
        if await remove_surplus(self.session, since=_BEGINNING, until=now + timedelta(days=1)):
            await self.settled()

    async def committed(self) -> dict[int, int]:
        """Return partition → the group's offset. Raises `KafkaError`."""
        async with self.member_of_nothing() as consumer:
            return {where.partition: await consumer.committed(where) or 0 for where in consumer.assignment()}

    @asynccontextmanager
    async def member_of_nothing(self, group: str = "") -> AsyncIterator[AIOKafkaConsumer]:
        """Return a consumer that commits offsets of `group` (default: the workers') without joining it."""
        # A separate time-out: a frozen or killed broker leaves connections that never respond.
        options = {**self.settings.client_options(), "request_timeout_ms": 5000}
        consumer = AIOKafkaConsumer(**options, group_id=group or self.settings.group, enable_auto_commit=False)
        try:
            await consumer.start()
            consumer.assign([TopicPartition(USAGE, number) for number in range(self.partitions)])
            yield consumer
        finally:
            await consumer.stop()


@asynccontextmanager
async def cluster(
    *, folder: Path, dsn: str, connection: KafkaConnection, partitions: int, ledger: Ledger
) -> AsyncIterator[Cluster]:
    """Create topics and tables, connect the producer, and kill the workers at the end."""
    made = Cluster(folder=folder, dsn=dsn, connection=connection, partitions=partitions, ledger=ledger)
    wait_for_named_brokers()
    await made.make_topics()
    producer = AIOKafkaProducer(**{**made.settings.client_options(), "request_timeout_ms": 5000}, acks="all")
    with made.store:
        await migrate(made.store)
        made.session = made.store.session("oracle")
        await producer.start()
        made.feeder = Feeder(ledger=ledger, producer=producer)
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.kill()
            await producer.stop()
